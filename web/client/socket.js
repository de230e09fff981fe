import { CommandError, NORMAL_CLOSE } from './codes.js';

const COMMAND_TIMEOUT_MS = 5_000;
// A server that promised a ping every n seconds and stayed silent for so much longer is taken for gone.
const PING_PATIENCE_MS = 10_000;

/**
 * One WebSocket from open to close: commands out, replies matched by id, pushes and pings in.
 *
 * Replies run their callback while the frame is being read, not later: a connect reply and the first pushes may share
 * a frame, and the pushes must find the connection set up.
 */
export class Socket {
  #webSocket;
  #handlers;
  #pending = new Map();
  #nextId = 1;
  #ended = false;
  #silenceMs = 0;
  #silenceTimer;

  /** `handlers`: `onOpen()`, `onPush(push)`, `onClose(code, reason)`; the last one is called once, or never after `close`. */
  constructor(webSocket, handlers) {
    this.#webSocket = webSocket;
    this.#handlers = handlers;
    webSocket.onopen = () => this.#ended || handlers.onOpen();
    webSocket.onmessage = (event) => this.#ended || this.#frame(event.data);
    webSocket.onclose = (event) => this.#end(event.code, event.reason);
  }

  /** Sends one command; `answer(error, reply)` is called exactly once. */
  request(command, answer) {
    if (this.#ended) return answer(new CommandError('lost'));
    const id = this.#nextId++;
    const timer = setTimeout(() => {
      this.#pending.delete(id);
      answer(new CommandError('timeout'));
    }, COMMAND_TIMEOUT_MS);
    this.#pending.set(id, { answer, timer });
    this.#webSocket.send(JSON.stringify({ id, ...command }));
  }

  /** From now on, a silence longer than the announced ping interval (seconds, 0: never) ends the connection. */
  expectPings(intervalSeconds) {
    this.#silenceMs = intervalSeconds > 0 ? intervalSeconds * 1_000 + PING_PATIENCE_MS : 0;
    this.#watchSilence();
  }

  /** Ends it from this side. Pending commands fail as lost; no handler is called any more. */
  close() {
    this.#finish();
    this.#webSocket.close(NORMAL_CLOSE);
  }

  #frame(text) {
    this.#watchSilence();
    for (const line of text.split('\n')) {
      if (line === '') continue;
      let reply;
      try {
        reply = JSON.parse(line);
      } catch {
        return this.#giveUp('unreadable frame');
      }
      this.#reply(reply);
      if (this.#ended) return;
    }
  }

  #reply(reply) {
    if (reply.push) return this.#handlers.onPush(reply.push);
    if (!reply.id) return this.#webSocket.send('{}');
    const pending = this.#pending.get(reply.id);
    if (!pending) return; // Answered after its time-out.
    this.#pending.delete(reply.id);
    clearTimeout(pending.timer);
    if (reply.error) pending.answer(new CommandError('refused', reply.error));
    else pending.answer(null, reply);
  }

  #watchSilence() {
    clearTimeout(this.#silenceTimer);
    if (this.#silenceMs === 0) return;
    this.#silenceTimer = setTimeout(() => this.#giveUp('no ping'), this.#silenceMs);
  }

  #giveUp(reason) {
    this.#webSocket.close(NORMAL_CLOSE);
    this.#end(0, reason);
  }

  #end(code, reason) {
    if (this.#ended) return;
    this.#ended = true;
    // First the close, then what was pending: whoever waits for a reply sees that this socket is history.
    this.#handlers.onClose(code, reason);
    this.#finish();
  }

  #finish() {
    this.#ended = true;
    clearTimeout(this.#silenceTimer);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { answer, timer } of pending) {
      clearTimeout(timer);
      answer(new CommandError('lost'));
    }
  }
}
