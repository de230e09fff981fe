import { Conversation } from './conversation.js';

/** Everybody the user has exchanged messages with, and the messages. Tells `onChange(peer)` of every change. */
export class ConversationStore {
  #me;
  #byPeer = new Map();
  #clock = 0;
  #onChange;

  constructor(me, onChange = () => {}) {
    this.#me = me;
    this.#onChange = onChange;
  }

  /** The conversation with `peer`, begun if there is none. */
  with(peer) {
    let conversation = this.#byPeer.get(peer);
    if (!conversation) {
      conversation = new Conversation(this.#me, peer);
      this.#byPeer.set(peer, conversation);
      this.#touch(conversation);
    }
    return conversation;
  }

  /** All conversations, the most recently active first. */
  all() {
    return [...this.#byPeer.values()].sort((a, b) => b.touched - a.touched);
  }

  unreadTotal() {
    let total = 0;
    for (const { unread } of this.#byPeer.values()) total += unread;
    return total;
  }

  /** A message typed here. */
  addOwn({ to, ...message }) {
    const conversation = this.with(to);
    conversation.addOwn(message);
    this.#touch(conversation);
  }

  /** The server's answer to a send. */
  stored(own, { conversation: id, seq, at }) {
    const conversation = this.with(own.to);
    conversation.id = id;
    conversation.mergeStored({ seq, at, from: this.#me, id: own.id, text: own.text });
    this.#onChange(own.to);
  }

  /** The fate of a message of ours that is not, or not yet, stored. */
  settle(own, state, detail) {
    this.with(own.to).settle(own.id, state, detail);
    this.#onChange(own.to);
  }

  /**
   * A message out of the inbox. Returns `{peer, from, text, first}`, with `first` false for a repeated delivery, or null if
   * it is not a message this page can show.
   */
  inbox(data, missed) {
    const message = readMessage(data);
    if (!message) {
      this.#rewrite(data);
      return null;
    }
    const peer = message.from === this.#me ? message.to : message.from;
    const conversation = this.with(peer);
    conversation.id = message.conversation;
    const first = conversation.mergeStored(message, missed && message.from !== this.#me);
    this.#touch(conversation);
    return { peer, from: message.from, text: message.text, first };
  }

  /** A plain message that happened to find this page listening. */
  live(message) {
    const conversation = this.with(message.from);
    conversation.addLive(message);
    this.#touch(conversation);
  }

  /** A page of `history`; `newest` as in `Conversation.mergePage`. */
  page(peer, { entries = [], more = false }, newest) {
    this.with(peer).mergePage(entries.map(readMessage).filter(Boolean), { more, newest });
    this.#onChange(peer);
  }

  // A message reads differently from now on, or is gone.
  #rewrite(data) {
    if (data?.kind !== 'edit' && data?.kind !== 'delete') return;
    const conversation = [...this.#byPeer.values()].find(({ id }) => id === data.conversation);
    if (!conversation) return;
    if (data.kind === 'edit' && data.body !== undefined) conversation.rewrite(data.target, textOf(data.body));
    else if (data.kind === 'delete') conversation.remove(data.target);
    this.#onChange(conversation.peer);
  }

  #touch(conversation) {
    conversation.touched = ++this.#clock;
    this.#onChange(conversation.peer);
  }
}

// What others wrote may have any shape; what is not a message is skipped, an unknown body is shown as it is.
function readMessage(data) {
  // Without a body it was deleted.
  if (data?.kind !== 'message' || data.body === undefined) return null;
  if (typeof data.from !== 'string' || typeof data.to !== 'string') return null;
  if (!Number.isSafeInteger(data.seq) || typeof data.conversation !== 'string') return null;
  const { conversation, seq, from, to, id, at = 0 } = data;
  return { conversation, seq, from, to, id, at, text: textOf(data.body) };
}

function textOf(body) {
  return typeof body?.text === 'string' ? body.text : JSON.stringify(body ?? null);
}
