// One Socket.IO server and its clients, unmodified. Several of these share a broker. harness/node.py gives the orders.

import { createServer } from 'node:http';
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { Server } from 'socket.io';
import { io as connectTo } from 'socket.io-client';
import { say, takeOrders } from './orders.mjs';

const http = createServer();
const clients = new Map();
let io;

/** Two connections to the broker: one that publishes, one that subscribes. */
async function linksTo(port, library) {
  if (library === 'ioredis') {
    return [0, 1].map(() => new Redis({ host: '127.0.0.1', port, retryStrategy: () => 50 }));
  }
  const links = [0, 1].map(() => createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: 50 } }));
  await Promise.all(links.map((link) => link.connect()));
  return links;
}

const adapters = {
  plain: createAdapter,
  sharded: createShardedAdapter,
  // It duplicates the one it is given.
  streams: (link) => createStreamsAdapter(link, { blockTimeInMs: 200 }),
};

async function open({ broker, library, adapter }) {
  const links = await linksTo(broker, library);
  for (const link of links) link.on('error', ({ message }) => say({ event: 'link error', message }));
  io = new Server(http, { adapter: adapters[adapter](...links), transports: ['websocket'] });
  io.on('connection', (socket) => socket.on('who are you', (answer) => answer(socket.data.name)));
  io.on('how many', (answer) => answer(io.of('/').sockets.size));
  await new Promise((resolve) => { http.listen(0, '127.0.0.1', resolve); });
}

/** A client of this server, which the server knows by its name. */
async function connect(name) {
  const joined = new Promise((resolve) => { io.once('connection', resolve); });
  const client = connectTo(`http://127.0.0.1:${http.address().port}`, { transports: ['websocket'], forceNew: true });
  client.on('said', (text) => say({ event: 'said', to: name, text }));
  client.on('disconnect', (reason) => say({ event: 'disconnect', to: name, reason }));
  client.on('ask', (question, answer) => answer(`${name} heard ${question}`));
  (await joined).data.name = name;
  clients.set(name, client);
}

const known = (sockets) => sockets.map(({ data, rooms }) => [data.name, [...rooms].filter((it) => it.startsWith('room')).sort()]).sort();
const at = (room) => (room ? io.to(room) : io);
const local = (name) => [...io.of('/').sockets.values()].find(({ data }) => data.name === name);

async function carryOut({ do: what, name, room, text, bytes, ...order }) {
  switch (what) {
    case 'open': return open(order);
    case 'connect': return connect(name);
    case 'servers': return io.of('/').adapter.serverCount();
    case 'join': return local(name).join(room);
    case 'leave': return local(name).leave(room);
    case 'say': at(room).emit('said', bytes ? Buffer.from(bytes) : text); return null;
    case 'say locally': io.local.emit('said', text); return null;
    case 'say to others': local(name).broadcast.emit('said', text); return null;
    case 'ask': return (await at(room).timeout(order.within).emitWithAck('ask', text)).sort();
    case 'sockets': return known(await at(room).fetchSockets());
    case 'all join': return io.socketsJoin(room);
    case 'disconnect': return io.in(room).disconnectSockets(true);
    case 'count elsewhere': return io.serverSideEmitWithAck('how many');
    default: throw new Error(`what is ${what}?`);
  }
}

takeOrders(carryOut);
