// Clients of the unmodified SDK. harness/sdk.py gives the orders.

import { Centrifuge } from 'centrifuge';
import { Centrifuge as InProtobuf } from 'centrifuge/build/protobuf';
import { say, takeOrders } from './orders.mjs';
import { reach } from './transports.mjs';

const clients = new Map();

const asJson = { Client: Centrifuge, encode: (data) => data, decode: (data) => data };

/** Payloads are bytes; what is said here is JSON. */
const asProtobuf = {
  Client: InProtobuf,
  encode: (data) => data && new TextEncoder().encode(JSON.stringify(data)),
  decode: (bytes) => bytes && JSON.parse(new TextDecoder().decode(bytes)),
};

function open({ client: name, token, nextTokens, data, protobuf, ...how }) {
  const tokens = [...(nextTokens ?? [])];
  const { Client, encode, decode } = protobuf ? asProtobuf : asJson;
  const { endpoint, ...options } = reach(how);
  const client = new Client(endpoint, {
    ...options,
    token,
    data: encode(data),
    getToken: nextTokens && (async () => { say({ client: name, event: 'token asked for' }); return tokens.shift() ?? token; }),
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
  });
  const tell = (event, what) => say({ client: name, event, ...what });
  client.on('connecting', ({ code, reason }) => tell('connecting', { code, reason }));
  client.on('connected', ({ client, data, transport }) => tell('connected', { id: client, data: decode(data), transport }));
  client.on('disconnected', ({ code, reason }) => tell('disconnected', { code, reason }));
  client.on('error', ({ type, error }) => tell('error', { type, code: error?.code, message: error?.message }));
  client.on('subscribed', (sub) => tell('server subscribed', {
    channel: sub.channel, position: sub.streamPosition, recovered: sub.recovered, wasRecovering: sub.wasRecovering,
  }));
  client.on('publication', ({ channel, data, offset, info }) => tell('publication', { channel, data: decode(data), offset, info }));
  client.connect();
  clients.set(name, { client, encode, decode });
}

function subscribe(name, { client, decode }, channel) {
  const subscription = client.getSubscription(channel) ?? client.newSubscription(channel);
  const tell = (event, what) => say({ client: name, event, channel, ...what });
  return new Promise((resolve) => {
    subscription.removeAllListeners();
    subscription.on('publication', ({ data, offset, info }) => tell('publication', { data: decode(data), offset, info }));
    subscription.on('subscribed', () => { tell('subscribed'); resolve({}); });
    subscription.on('unsubscribed', ({ code, reason }) => { tell('unsubscribed', { code, reason }); resolve({ code, reason }); });
    subscription.subscribe();
  });
}

async function carryOut(order) {
  const one = clients.get(order.client);
  const { client, encode, decode } = one ?? {};
  switch (order.do) {
    case 'open': return open(order);
    case 'connect': return client.connect();
    case 'disconnect': return client.disconnect();
    case 'rpc': return decode((await client.rpc(order.method, encode(order.data))).data);
    case 'publish': return client.publish(order.channel, encode(order.data));
    case 'subscribe': return subscribe(order.client, one, order.channel);
    case 'unsubscribe': return client.getSubscription(order.channel).unsubscribe();
    default: throw new Error(`what is ${order.do}?`);
  }
}

takeOrders(carryOut);
