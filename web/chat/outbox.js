import { backoffMs } from '../client/backoff.js';

/**
 * What is to be sent, in the order typed, one at a time.
 *
 * A message for the inbox stays until the server has answered it; every try carries the same id, so the server stores
 * it once. A plain message is tried once: repeating it could double it, and nobody could tell.
 */
export class Outbox {
  #queue = [];
  #busy = false;
  #open = false;
  #attempt = 0;
  #retryTimer;
  #options;

  /**
   * - `deliver(message)` resolves to the server's answer or rejects with a `CommandError`.
   * - `onTrying(message)`, `onAnswered(message, answer)`, `onFailed(message, error)`.
   * - `onQueue(messages)`: what is unanswered now, to be kept over a reload.
   */
  constructor(options) {
    this.#options = options;
  }

  /** `message`: `{id, to, text, mode}` with mode `inbox` or `plain`. */
  add(message) {
    this.#queue.push(message);
    this.#options.onQueue(this.#queue);
    this.#next();
  }

  /** The way to the server is open (again): carry on. */
  resume() {
    this.#open = true;
    this.#attempt = 0;
    this.#next();
  }

  /** The way is closed: keep what there is. */
  pause() {
    this.#open = false;
    clearTimeout(this.#retryTimer);
  }

  async #next() {
    const message = this.#queue[0];
    if (this.#busy || !this.#open || !message) return;
    this.#busy = true;
    clearTimeout(this.#retryTimer);
    this.#options.onTrying(message);
    try {
      const answer = await this.#options.deliver(message);
      this.#attempt = 0;
      this.#remove(message);
      this.#options.onAnswered(message, answer);
    } catch (error) {
      if (message.mode === 'inbox' && error.mayRetry) return this.#retryLater();
      this.#remove(message);
      this.#options.onFailed(message, error);
    }
    this.#busy = false;
    this.#next();
  }

  #retryLater() {
    this.#busy = false;
    if (!this.#open) return; // `resume` will carry on.
    this.#retryTimer = setTimeout(() => this.#next(), backoffMs(this.#attempt++));
  }

  #remove(message) {
    this.#queue.splice(this.#queue.indexOf(message), 1);
    this.#options.onQueue(this.#queue);
  }
}
