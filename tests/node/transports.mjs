// How a client of the SDK reaches chat servers. To the next address after one did not open, as through a load balancer.

import { EventSource } from 'eventsource';
import WebSocket from 'ws';

function byWebSocket(addresses) {
  let at = 0;
  return {
    endpoint: addresses[0],
    websocket: class extends WebSocket {
      constructor(_, protocols) {
        super(addresses[at % addresses.length], protocols);
        let opened = false;
        this.addEventListener('open', () => { opened = true; });
        this.addEventListener('close', () => { if (!opened) at += 1; });
      }
    },
  };
}

/** By plain HTTP. What the client says is posted to each of `posts` in turn, or else where its connection is. */
function byHttp(transport, addresses, posts) {
  const hosts = addresses.map((address) => new URL(address).host);
  const post = posts?.map((address) => new URL(address).host);
  const path = { http_stream: '/connection/http_stream', sse: '/connection/sse' }[transport];
  let at = 0;
  let posted = 0;
  const here = () => hosts[at % hosts.length];
  return {
    endpoint: [{ transport, endpoint: `http://${hosts[0]}${path}` }],
    emulationEndpoint: `http://${hosts[0]}/emulation`,
    async fetch(url, options) {
      const to = new URL(url);
      if (to.pathname === '/emulation') {
        to.host = post ? post[posted % post.length] : here();
        posted += 1;
        return fetch(to, options);
      }
      to.host = here();
      return fetch(to, options).catch((error) => { at += 1; throw error; });
    },
    eventsource: class extends EventSource {
      constructor(url) {
        const to = new URL(url);
        to.host = here();
        super(to);
        let opened = false;
        this.addEventListener('open', () => { opened = true; });
        this.addEventListener('error', () => { if (!opened) at += 1; });
      }
    },
  };
}

/** The endpoint, and options of the SDK. */
export function reach({ addresses, transport = 'websocket', posts }) {
  return transport === 'websocket' ? byWebSocket(addresses) : byHttp(transport, addresses, posts);
}
