// Socket.IO with the Redis adapter, as its documents set it up: a room for each channel, WebSocket only, events
// acknowledged. It knows nobody and keeps nothing, and is one process.

const [port, redisPort] = process.argv.slice(2).map(Number);

const { createServer } = require("node:http");
const { createClient } = require("redis");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");

async function main() {
  const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer();
  const io = new Server(http, { transports: ["websocket"], adapter: createAdapter(publisher, subscriber) });
  io.on("connection", (socket) => {
    socket.on("subscribe", async (channel, done) => {
      await socket.join(channel);
      done();
    });
    socket.on("publish", (channel, data, done) => {
      io.to(channel).emit("message", channel, data);
      done();
    });
  });
  http.listen(port, "127.0.0.1");
}

main();
