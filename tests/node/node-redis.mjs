// node-redis, unmodified: one client after the other. harness/node.py gives the orders.

import { createClient, RESP_TYPES } from 'redis';
import { say, takeOrders } from './orders.mjs';

const clients = new Map();

async function open(name, port, RESP) {
  const client = createClient({ RESP, socket: { host: '127.0.0.1', port, reconnectStrategy: 50 } });
  for (const event of ['ready', 'reconnecting']) client.on(event, () => say({ client: name, event }));
  client.on('error', ({ message }) => say({ client: name, event: 'error', message }));
  await client.connect();
  clients.set(name, client);
}

/** Subscribes in one of the three ways; tells what is heard. */
const listen = (name, way, channels) => clients.get(name)[way](channels, (text, channel) => say({ client: name, event: way, channel, text }));

/** The bytes of the next message of a channel, each as a number. */
const nextBytes = (name, channel) => new Promise((resolve) => {
  clients.get(name).subscribe(channel, (bytes) => resolve([...bytes]), true).then(() => say({ client: name, event: 'listening' }));
});

function carryOut({ do: what, client: name, port, resp, arguments: given = [] }) {
  switch (what) {
    case 'open': return open(name, port, resp);
    case 'subscribe':
    case 'pSubscribe':
    case 'sSubscribe': return listen(name, what, given);
    case 'next bytes': return nextBytes(name, given[0]);
    case 'publish bytes': return clients.get(name).publish(given[0], Buffer.from(given[1]));
    case 'hello': return clients.get(name).withTypeMapping({ [RESP_TYPES.MAP]: Object }).sendCommand(['HELLO']);
    default: return clients.get(name)[what](...given);
  }
}

takeOrders(carryOut);
