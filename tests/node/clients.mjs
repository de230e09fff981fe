// Clients of the unmodified SDK. harness/sdk.py gives the orders.

import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { say, takeOrders } from './orders.mjs';

const clients = new Map();

/** A WebSocket that goes to the next address after one did not open, as through a load balancer. */
function roaming(addresses) {
  let at = 0;
  return class extends WebSocket {
    constructor(_, protocols) {
      super(addresses[at % addresses.length], protocols);
      let opened = false;
      this.addEventListener('open', () => { opened = true; });
      this.addEventListener('close', () => { if (!opened) at += 1; });
    }
  };
}

function open({ client: name, addresses, token, nextTokens, data }) {
  const tokens = [...(nextTokens ?? [])];
  const client = new Centrifuge(addresses[0], {
    websocket: roaming(addresses),
    token,
    data,
    getToken: nextTokens && (async () => { say({ client: name, event: 'token asked for' }); return tokens.shift() ?? token; }),
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
  });
  const tell = (event, what) => say({ client: name, event, ...what });
  client.on('connecting', ({ code, reason }) => tell('connecting', { code, reason }));
  client.on('connected', ({ client, data }) => tell('connected', { id: client, data }));
  client.on('disconnected', ({ code, reason }) => tell('disconnected', { code, reason }));
  client.on('error', ({ type, error }) => tell('error', { type, code: error?.code, message: error?.message }));
  client.on('subscribed', (sub) => tell('server subscribed', {
    channel: sub.channel, position: sub.streamPosition, recovered: sub.recovered, wasRecovering: sub.wasRecovering,
  }));
  client.on('publication', ({ channel, data, offset, info }) => tell('publication', { channel, data, offset, info }));
  client.connect();
  clients.set(name, client);
}

function subscribe(name, client, channel) {
  const subscription = client.getSubscription(channel) ?? client.newSubscription(channel);
  const tell = (event, what) => say({ client: name, event, channel, ...what });
  return new Promise((resolve) => {
    subscription.removeAllListeners();
    subscription.on('publication', ({ data, offset, info }) => tell('publication', { data, offset, info }));
    subscription.on('subscribed', () => { tell('subscribed'); resolve({}); });
    subscription.on('unsubscribed', ({ code, reason }) => { tell('unsubscribed', { code, reason }); resolve({ code, reason }); });
    subscription.subscribe();
  });
}

async function carryOut(order) {
  const client = clients.get(order.client);
  switch (order.do) {
    case 'open': return open(order);
    case 'connect': return client.connect();
    case 'disconnect': return client.disconnect();
    case 'rpc': return (await client.rpc(order.method, order.data)).data;
    case 'publish': return client.publish(order.channel, order.data);
    case 'subscribe': return subscribe(order.client, client, order.channel);
    case 'unsubscribe': return client.getSubscription(order.channel).unsubscribe();
    default: throw new Error(`what is ${order.do}?`);
  }
}

takeOrders(carryOut);
