/**
 * The messages with one other person, in one order, none twice.
 *
 * A message comes in up to four ways: typed here, answered by the server, pushed by the inbox, read from history. Stored
 * ones are the same if their `seq` is; one of ours is known by its client id until it has a `seq`.
 *
 * Stored messages stand by `seq`. Live ones have none and stand behind the newest stored message of the moment they
 * came (`after`). What is still to be sent stands at the end.
 */
export class Conversation {
  peer;
  /** The server's id, unknown until the first answer or message. */
  id = null;
  unread = 0;
  /** Number for ordering people: the larger, the more recent. */
  touched = 0;
  /** Whether the newest page of the history has been merged. */
  filled = false;
  /** Whether the server has entries older than `oldest`. */
  more = false;
  /** Lowest `seq` read from history. */
  oldest = null;

  #me;
  #bySeq = new Map();
  #ownById = new Map();
  #items = [];
  #head = 0;
  #arrivals = 0;

  constructor(me, peer) {
    this.#me = me;
    this.peer = peer;
  }

  /** Newest stored `seq` known here, 0 for none. */
  get head() {
    return this.#head;
  }

  /** All messages, oldest first. */
  items() {
    return this.#items.sort((a, b) => rank(a) - rank(b) || (a.seq ? 0 : 1) - (b.seq ? 0 : 1) || a.arrival - b.arrival);
  }

  last() {
    return this.items().at(-1) ?? null;
  }

  /** A message typed here: `state` is `sending` or `waiting` until the server has answered. */
  addOwn({ id, text, mode, time, state }) {
    const item = this.#add({ id, from: this.#me, text, mode, time, state });
    this.#ownById.set(id, item);
    return item;
  }

  /** A plain message from outside: not stored anywhere but on this page. */
  addLive({ id, from, text, time }) {
    return this.#add({ id, from, text, mode: 'plain', time, state: 'live', after: this.#head });
  }

  /**
   * A stored message, by push, by history or as an answer. Only a push is a delivery and knows `missed`: sent while this
   * device was away, and here only now. Returns whether this was the message's first delivery.
   */
  mergeStored({ seq, from, id, at, text }, missed = null) {
    const own = from === this.#me ? this.#ownById.get(id) : undefined;
    let item = this.#bySeq.get(seq) ?? own;
    item ??= this.#add({ id, from, text, mode: 'inbox' });
    this.#bySeq.set(seq, item);
    item.seq = seq;
    item.time = at;
    item.state = from === this.#me ? 'stored' : 'received';
    this.#head = Math.max(this.#head, seq);
    const first = missed !== null && !item.delivered;
    if (first) {
      item.delivered = true;
      item.missed = missed;
    }
    return first;
  }

  /** A page of history, oldest first. `newest`: it is the last page, not an earlier one. */
  mergePage(entries, { more, newest }) {
    for (const entry of entries) {
      this.mergeStored(entry);
      this.rewrite(entry.seq, entry.text);
    }
    this.more = more;
    if (entries.length > 0) {
      this.oldest = newest ? entries[0].seq : Math.min(this.oldest ?? Infinity, entries[0].seq);
    }
    if (!newest) return;
    if (!this.filled) this.#placeEarlyLive(entries);
    this.filled = true;
  }

  /** A stored message has been edited. */
  rewrite(seq, text) {
    const item = this.#bySeq.get(seq);
    if (item) item.text = text;
  }

  /** A stored message has been deleted. */
  remove(seq) {
    const item = this.#bySeq.get(seq);
    if (!item) return;
    this.#bySeq.delete(seq);
    this.#ownById.delete(item.id);
    this.#items = this.#items.filter((other) => other !== item);
  }

  /** Moves a message of ours on, e.g. to `gone` or `failed`; `detail` is for the reader. */
  settle(id, state, detail = {}) {
    const item = this.#ownById.get(id);
    if (!item || item.state === 'stored') return;
    item.state = state;
    item.detail = detail;
    if (state !== 'sending' && state !== 'waiting') item.after = this.#head;
  }

  // Live messages that came before any history was read stood behind nothing; their clock tells the place.
  #placeEarlyLive(entries) {
    for (const item of this.#items) {
      if (item.after !== 0) continue;
      for (const { seq, at } of entries) if (at <= item.time) item.after = Math.max(item.after, seq);
    }
  }

  #add(fields) {
    const item = {
      seq: null,
      after: null,
      missed: false,
      delivered: false,
      detail: {},
      time: 0,
      arrival: this.#arrivals++,
      ...fields,
    };
    this.#items.push(item);
    return item;
  }
}

function rank(item) {
  return item.seq ?? item.after ?? Infinity;
}
