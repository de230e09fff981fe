// Clients of Centrifuge's JavaScript SDK, in JSON and Protobuf. harness/sdks.py gives the orders; what they are called
// and what is told is the same in sdks/python.py and sdks/go/main.go.

import { Centrifuge as InJson } from 'centrifuge';
import { Centrifuge as InProtobuf } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';
import { say, takeOrders } from './orders.mjs';

/** Name -> { client, encode, decode }. */
const clients = new Map();

const json = { encode: (data) => data, decode: (data) => data };
const protobuf = {
  encode: (data) => (data === undefined || data === null ? data : new TextEncoder().encode(JSON.stringify(data))),
  decode: (bytes) => {
    if (!bytes?.length) return undefined;
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      return { base64: Buffer.from(bytes).toString('base64') };
    }
  },
};

const who = ({ decode }, info) => info && {
  client: info.client, user: info.user, conn_info: decode(info.connInfo), chan_info: decode(info.chanInfo),
};
const publication = (one, { data, offset, info, tags }) => ({ data: one.decode(data), offset, info: who(one, info), tags });
const standing = ({ decode }, it) => ({
  recoverable: it.recoverable, positioned: it.positioned, position: it.streamPosition,
  was_recovering: it.wasRecovering, recovered: it.recovered, data: decode(it.data),
});

/** Tokens that an application would fetch, one after the other. */
function fetching(tokens, tell, event) {
  const left = [...tokens];
  return async () => { tell(event); return left.shift() ?? ''; };
}

function open({ client: name, address, encoding, token, next_tokens: next, data }) {
  const one = { ...(encoding === 'protobuf' ? protobuf : json) };
  const tell = (event, what) => say({ client: name, event, ...what });
  const client = new (encoding === 'protobuf' ? InProtobuf : InJson)(address, {
    websocket: WebSocket,
    token,
    data: one.encode(data),
    getToken: next && fetching(next, tell, 'token asked for'),
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
  });
  client.on('connecting', ({ code, reason }) => tell('connecting', { code, reason }));
  client.on('connected', ({ client: id, data }) => tell('connected', { id, data: one.decode(data) }));
  client.on('disconnected', ({ code, reason }) => tell('disconnected', { code, reason }));
  client.on('error', ({ error }) => tell('error', { code: error?.code, message: error?.message }));
  client.on('subscribing', ({ channel }) => tell('server subscribing', { channel }));
  client.on('subscribed', (it) => tell('server subscribed', { channel: it.channel, ...standing(one, it) }));
  client.on('unsubscribed', ({ channel }) => tell('server unsubscribed', { channel }));
  client.on('publication', (it) => tell('server publication', { channel: it.channel, ...publication(one, it) }));
  client.on('join', ({ channel, info }) => tell('server join', { channel, info: who(one, info) }));
  client.on('leave', ({ channel, info }) => tell('server leave', { channel, info: who(one, info) }));
  clients.set(name, { ...one, client });
  client.connect();
}

function subscribe(one, { client: name, channel, token, next_tokens: next, data, options = {} }) {
  const tell = (event, what) => say({ client: name, event, channel, ...what });
  const subscription = one.client.newSubscription(channel, {
    token,
    getToken: next && fetching(next, tell, 'subscription token asked for'),
    data: one.encode(data),
    positioned: options.positioned,
    recoverable: options.recoverable,
    joinLeave: options.join_leave,
    delta: options.delta,
    minResubscribeDelay: 20,
    maxResubscribeDelay: 200,
  });
  subscription.on('subscribing', ({ code, reason }) => tell('subscribing', { code, reason }));
  subscription.on('subscribed', (it) => tell('subscribed', standing(one, it)));
  subscription.on('unsubscribed', ({ code, reason }) => tell('unsubscribed', { code, reason }));
  subscription.on('publication', (it) => tell('publication', publication(one, it)));
  subscription.on('join', ({ info }) => tell('join', { info: who(one, info) }));
  subscription.on('leave', ({ info }) => tell('leave', { info: who(one, info) }));
  subscription.on('error', ({ error }) => tell('subscription error', { code: error?.code, message: error?.message }));
  subscription.subscribe();
}

async function carryOut(order) {
  if (order.do === 'open') return open(order);
  const one = clients.get(order.client);
  const { client } = one;
  const data = order.base64 === undefined ? one.encode(order.data) : Buffer.from(order.base64, 'base64');
  switch (order.do) {
    case 'connect': return client.connect();
    case 'disconnect': return client.disconnect();
    case 'subscribe': return subscribe(one, order);
    case 'subscribe again': return client.getSubscription(order.channel).subscribe();
    case 'unsubscribe': return client.getSubscription(order.channel).unsubscribe();
    case 'publish': await client.publish(order.channel, data); return {};
    case 'rpc': return one.decode((await client.rpc(order.method, data)).data);
    case 'send': return client.send(data);
    case 'history': {
      const { limit, since, reverse } = order;
      const page = await client.history(order.channel, { limit, since, reverse });
      return { offset: page.offset, epoch: page.epoch, publications: page.publications.map((it) => publication(one, it)) };
    }
    case 'presence': {
      const { clients: there } = await client.presence(order.channel);
      return Object.fromEntries(Object.entries(there).map(([id, info]) => [id, who(one, info)]));
    }
    case 'presence stats': {
      const { numClients, numUsers } = await client.presenceStats(order.channel);
      return { clients: numClients, users: numUsers };
    }
    case 'delta stats': return client.getSubscription(order.channel).deltaStats();
    default: throw new Error(`what is ${order.do}?`);
  }
}

takeOrders(carryOut);
