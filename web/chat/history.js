const PAGE = 50;

/** Reads conversations' earlier messages into the store, one request a conversation at a time. */
export class History {
  #store;
  #rpc;
  #reading = new Set();

  constructor(store, rpc) {
    this.#store = store;
    this.#rpc = rpc;
  }

  /** The newest page, unless it has been read already or the server does not know the conversation yet. */
  fill(peer) {
    const conversation = this.#store.with(peer);
    if (conversation.id === null || conversation.filled) return;
    return this.#read(conversation, {}, true);
  }

  /** The page before the oldest one read. */
  earlier(peer) {
    const conversation = this.#store.with(peer);
    if (!conversation.more) return;
    return this.#read(conversation, { before: conversation.oldest }, false);
  }

  /** Positions were lost: what has been read may have holes now. */
  forget() {
    for (const conversation of this.#store.all()) conversation.filled = false;
  }

  async #read(conversation, range, newest) {
    const { peer, id } = conversation;
    if (this.#reading.has(peer)) return;
    this.#reading.add(peer);
    try {
      this.#store.page(peer, await this.#rpc('history', { conversation: id, limit: PAGE, ...range }), newest);
    } catch (error) {
      // What can be tried again is, with the next message, opening or connection.
      if (!error.mayRetry) this.#store.page(peer, {}, newest);
    } finally {
      this.#reading.delete(peer);
    }
  }
}
