// The least that a WebSocket server of one's own would be: Bun, which is uWebSockets, with its own publish/subscribe.
// It is told `{"id":1,"subscribe":"news"}` and `{"id":2,"publish":"news","data":…}`, and answers each `{"id":…}`;
// subscribers get `{"channel":"news","data":…}`. It knows nobody, keeps nothing, and is one process.

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response("a WebSocket server", { status: 426 });
  },
  websocket: {
    // As for the others: so much may wait for one client.
    backpressureLimit: 1 << 30,
    closeOnBackpressureLimit: true,
    perMessageDeflate: false,
    message(socket, text) {
      const command = JSON.parse(text);
      if (command.publish !== undefined) {
        server.publish(command.publish, JSON.stringify({ channel: command.publish, data: command.data }));
      } else if (command.subscribe !== undefined) {
        socket.subscribe(command.subscribe);
      }
      if (command.id !== undefined) socket.send(`{"id":${command.id}}`);
    },
  },
});
