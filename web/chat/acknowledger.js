const GATHER_MS = 100;

/**
 * Moves this device's cursor on the server to the newest inbox offset handled here. Cumulative, so a burst of messages
 * costs one call, and a call that failed is made good by the next.
 */
export class Acknowledger {
  #handled = 0;
  #acknowledged = 0;
  #busy = false;
  #timer = null;
  /** Offsets of another inbox say nothing about this one. */
  #inbox = {};
  #send;

  /** `send(offset)` resolves once the server has taken it. */
  constructor(send) {
    this.#send = send;
  }

  /** Everything up to `offset` has been handled. */
  handled(offset) {
    this.#handled = Math.max(this.#handled, offset);
    this.#schedule();
  }

  /** What was handled was of another inbox, or of one that has lost its end: its offsets are given again. */
  forget() {
    this.#handled = 0;
    this.#acknowledged = 0;
    this.#inbox = {};
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The server can be reached again. */
  resume() {
    this.#schedule();
  }

  #schedule() {
    if (this.#timer !== null || this.#busy || this.#handled <= this.#acknowledged) return;
    this.#timer = setTimeout(() => this.#flush(), GATHER_MS);
  }

  async #flush() {
    this.#timer = null;
    this.#busy = true;
    const offset = this.#handled;
    const inbox = this.#inbox;
    try {
      await this.#send(offset);
      if (inbox === this.#inbox) this.#acknowledged = Math.max(this.#acknowledged, offset);
    } catch {
      // Unacknowledged messages come again; `resume` or the next message tries again.
      this.#busy = false;
      return;
    }
    this.#busy = false;
    this.#schedule();
  }
}
