// ioredis, unmodified: one client after the other. harness/node.py gives the orders.

import { Redis } from 'ioredis';
import { say, takeOrders } from './orders.mjs';

const clients = new Map();

function open({ client: name, port }) {
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, maxRetriesPerRequest: null });
  for (const event of ['ready', 'close', 'end']) client.on(event, () => say({ client: name, event }));
  client.on('error', ({ message }) => say({ client: name, event: 'error', message }));
  client.on('message', (channel, text) => say({ client: name, event: 'message', channel, text }));
  client.on('pmessage', (pattern, channel, text) => say({ client: name, event: 'pmessage', pattern, channel, text }));
  client.on('smessage', (channel, text) => say({ client: name, event: 'smessage', channel, text }));
  clients.set(name, client);
  return new Promise((resolve) => { client.once('ready', resolve); });
}

takeOrders((order) =>
  order.do === 'open' ? open(order) : clients.get(order.client)[order.do](...(order.arguments ?? [])));
