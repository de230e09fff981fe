import { backoffMs } from './backoff.js';
import { CommandError, TOKEN_EXPIRED, isTerminalClose, mayResubscribe } from './codes.js';
import { Socket } from './socket.js';

// Timers hold 31 bits of milliseconds; a token that lives longer is renewed after this long.
const LONGEST_TIMER_MS = 20 * 24 * 3_600_000;

/**
 * A user's presence on the chat server, over as many WebSockets as it takes.
 *
 * States: `connecting`, `online`, `offline` (the user's choice, until `goOnline`) and `ended` (for good: the server
 * said so, or no valid token is to be had).
 *
 * Positions of recoverable server-side channels move only after `onPublication` has returned, and are presented at the
 * next connect: what a handler has not seen through will come again.
 */
export class Session {
  #options;
  #token;
  #socket = null;
  #state = 'offline';
  #attempt = 0;
  #retryTimer;
  #refreshTimer;
  /** Server-side channels: name to `{recoverable, epoch, offset}`. */
  #positions = new Map();
  /** Channels that this client wants to follow, subscribed anew on every connection. */
  #wanted = new Set();

  /**
   * - `openWebSocket()` makes a socket; `token` signs in; `device` names this device's cursor.
   * - `freshToken()` resolves to a new token, or to null if there is none to be had; rejects if nobody could be asked.
   * - `onState(state, detail)`; `detail` is `{code, reason}` when ended.
   * - `onConnected({data, resumedAt, positionKept})` precedes every publication of that connection.
   * - `onPublication(channel, publication)`.
   */
  constructor(options) {
    this.#options = options;
    this.#token = options.token;
  }

  get state() {
    return this.#state;
  }

  goOnline() {
    if (this.#state !== 'offline') return;
    this.#attempt = 0;
    this.#open();
  }

  /** Closes the WebSocket and stays away until `goOnline`. */
  goOffline() {
    if (this.#state === 'ended') return;
    this.#drop();
    this.#enter('offline');
  }

  /** Skips the wait before the next attempt, if one is pending. */
  retryNow() {
    if (this.#state === 'connecting' && !this.#socket) this.#open();
  }

  /** Follows a live channel, on this connection and every later one. */
  subscribe(channel) {
    this.#wanted.add(channel);
    if (this.#state === 'online') this.#subscribe(channel);
  }

  /** Calls a method of the server; resolves to its data, rejects with a `CommandError`. */
  rpc(method, data) {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'online') return reject(new CommandError('lost'));
      this.#socket.request({ rpc: { method, data } }, (error, reply) => {
        if (error) reject(error);
        else resolve(reply.rpc?.data ?? {});
      });
    });
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.#enter('connecting');
    const socket = new Socket(this.#options.openWebSocket(), {
      onOpen: () => this.#connect(socket),
      onPush: (push) => this.#push(push),
      onClose: (code, reason) => this.#closed(code, reason),
    });
    this.#socket = socket;
  }

  #connect(socket) {
    const connect = { token: this.#token, data: { device: this.#options.device }, name: 'naru-web' };
    const subs = {};
    for (const [channel, { recoverable, epoch, offset }] of this.#positions) {
      if (recoverable) subs[channel] = { recover: true, epoch, offset };
    }
    if (Object.keys(subs).length > 0) connect.subs = subs;

    socket.request({ connect }, (error, reply) => {
      if (this.#socket !== socket) return; // Closed meanwhile, and dealt with there.
      if (!error) this.#connected(socket, reply.connect ?? {});
      else if (error.code === TOKEN_EXPIRED) this.#renewAndReopen();
      else if (error.mayRetry) this.#retryLater();
      else this.#endWith(error.code, error.message);
    });
  }

  #connected(socket, result) {
    this.#attempt = 0;
    socket.expectPings(result.ping ?? 0);
    if (result.expires) this.#refreshIn(result.ttl);
    const positionKept = this.#takePositions(result.subs ?? {});
    this.#enter('online');
    this.#options.onConnected({
      data: result.data ?? {},
      resumedAt: result.time ?? Date.now(),
      positionKept,
    });
    for (const [channel, sub] of Object.entries(result.subs ?? {})) {
      for (const publication of sub.publications ?? []) this.#publication(channel, publication);
    }
    for (const channel of this.#wanted) this.#subscribe(channel);
  }

  /** Adopts the positions granted; false if any of them does not continue what this client had. */
  #takePositions(subs) {
    let kept = true;
    const before = this.#positions;
    this.#positions = new Map();
    for (const [channel, sub] of Object.entries(subs)) {
      const { recoverable = false, epoch = '', offset = 0 } = sub;
      const known = before.get(channel);
      if (!known || known.epoch !== epoch || (sub.was_recovering && !sub.recovered)) kept = false;
      // Another tab has acknowledged what lies between: it does not come here any more.
      if (known && offset > known.offset) kept = false;
      this.#positions.set(channel, { recoverable, epoch, offset });
    }
    return kept;
  }

  #subscribe(channel) {
    const socket = this.#socket;
    socket.request({ subscribe: { channel } }, (error) => {
      if (!error || this.#socket !== socket) return;
      if (error.kind === 'refused' && !error.mayRetry) this.#wanted.delete(channel);
      else this.#retryLater(); // As SDKs do: a subscription in doubt is settled by starting over.
    });
  }

  #push(push) {
    if (push.pub) return this.#publication(push.channel, push.pub);
    if (push.subscribe) {
      const { recoverable = false, epoch = '', offset = 0 } = push.subscribe;
      this.#positions.set(push.channel, { recoverable, epoch, offset });
    } else if (push.unsubscribe) {
      this.#positions.delete(push.channel);
      if (!this.#wanted.has(push.channel)) return;
      if (mayResubscribe(push.unsubscribe.code ?? 0)) this.#subscribe(push.channel);
      else this.#wanted.delete(push.channel);
    } else if (push.disconnect) {
      this.#closed(push.disconnect.code, push.disconnect.reason);
    }
  }

  #publication(channel, publication) {
    this.#options.onPublication(channel, publication);
    const position = this.#positions.get(channel);
    if (!position) return;
    if (publication.offset > position.offset) position.offset = publication.offset;
    if (publication.epoch) position.epoch = publication.epoch;
  }

  #refreshIn(ttlSeconds) {
    const wait = Math.min((ttlSeconds ?? 0) * 1_000, LONGEST_TIMER_MS);
    this.#refreshTimer = setTimeout(async () => {
      const socket = this.#socket;
      const token = await this.#freshTokenOr(null);
      // Without a new token the server will close in its time, and the next connect will find out.
      if (!token || this.#socket !== socket) return;
      this.#token = token;
      socket.request({ refresh: { token } }, (error, reply) => {
        if (!error && reply.refresh?.expires) this.#refreshIn(reply.refresh.ttl);
      });
    }, wait);
  }

  async #renewAndReopen() {
    this.#drop();
    const token = await this.#freshTokenOr(this.#token);
    if (this.#state !== 'connecting' || this.#socket) return; // The user has decided otherwise meanwhile.
    if (!token) return this.#endWith(TOKEN_EXPIRED, 'token expired');
    this.#token = token;
    this.#retryLater(); // Not at once: a server that calls every token expired must not be flooded.
  }

  async #freshTokenOr(otherwise) {
    try {
      return await this.#options.freshToken();
    } catch {
      return otherwise; // Nobody answered just now, which says nothing about the next time.
    }
  }

  #closed(code, reason) {
    if (isTerminalClose(code)) this.#endWith(code, reason);
    else this.#retryLater();
  }

  #retryLater() {
    this.#drop();
    this.#enter('connecting');
    this.#retryTimer = setTimeout(() => this.#open(), backoffMs(this.#attempt++));
  }

  #endWith(code, reason) {
    this.#drop();
    this.#enter('ended', { code, reason });
  }

  #drop() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#refreshTimer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #enter(state, detail = {}) {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState(state, detail);
  }
}
