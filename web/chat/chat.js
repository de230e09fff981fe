import { Session } from '../client/session.js';
import { onLanguage, t } from '../i18n/language.js';
import { deviceOf, newId, readSetting, readTab, writeSetting, writeTab } from '../shell/memory.js';
import { Acknowledger } from './acknowledger.js';
import { History } from './history.js';
import { Outbox } from './outbox.js';
import { ConversationStore } from './store.js';

const PEOPLE_REMEMBERED = 200;
const ANNOUNCE_AFTER_MS = 300;

/** One signed-in user: joins the session, the store and what is seen of them. */
export class Chat {
  #me;
  #views;
  #session;
  #store;
  #outbox;
  #acknowledger;
  #history;
  #open = null;
  #toEnd = false;
  #resumedAt = 0;
  #drawTimer = null;
  #missed = 0;
  #missedTimer;

  /**
   * `views`: `{status, people, messages, composer, talk}`. `onRefused(detail)`: the server ended it before it ever began.
   */
  constructor({ me, token, freshToken, views, onRefused }) {
    this.#me = me;
    this.#views = views;
    this.#store = new ConversationStore(me, () => this.#redraw());
    this.#history = new History(this.#store, (method, data) => this.#session.rpc(method, data));
    this.#acknowledger = new Acknowledger((offset) => this.#session.rpc('ack', { offset }));
    this.#outbox = this.#makeOutbox();

    let wasOnline = false;
    this.#session = new Session({
      openWebSocket: () => new WebSocket(`${location.origin.replace(/^http/, 'ws')}/connection/websocket`),
      token,
      freshToken,
      device: deviceOf(me),
      onState: (state, detail) => {
        if (state === 'ended' && !wasOnline) return onRefused(detail);
        if (state === 'online') wasOnline = true;
        else this.#outbox.pause();
        views.status.setState(state, detail);
      },
      onConnected: (connection) => this.#connected(connection),
      onPublication: (channel, publication) => this.#publication(channel, publication),
    });
    this.#session.subscribe(plainChannel(me));
    this.#restore();
  }

  start() {
    this.#session.goOnline();
    addEventListener('online', this.#retryNow);
  }

  /** Ends it; nothing of it is shown or sent any more. */
  stop() {
    removeEventListener('online', this.#retryNow);
    this.#session.goOffline();
    clearTimeout(this.#drawTimer);
    clearTimeout(this.#missedTimer);
    this.#drawTimer = 0; // Taken for ever: a late answer draws nothing.
  }

  setOffline(wanted) {
    if (wanted) this.#session.goOffline();
    else this.#session.goOnline();
  }

  /** Opens the conversation with `peer`, or with null closes the one that is open. */
  open(peer) {
    this.#open = peer;
    this.#toEnd = true;
    if (peer !== null) {
      this.#store.with(peer).unread = 0;
      this.#history.fill(peer);
    }
    writeTab(`open:${this.#me}`, peer);
    this.#views.messages.clear();
    this.#views.composer.turnTo(peer);
    this.#draw();
  }

  send(text, mode) {
    const message = { id: newId(), to: this.#open, text, mode };
    this.#toEnd = true;
    this.#store.addOwn({ ...message, time: Date.now(), state: 'waiting' });
    this.#outbox.add(message);
  }

  showEarlier() {
    this.#history.earlier(this.#open);
  }

  /** Draws everything anew, for a change of language. */
  redrawAll() {
    this.#views.messages.clear();
    this.#draw();
  }

  #retryNow = () => this.#session.retryNow();

  #makeOutbox() {
    return new Outbox({
      deliver: ({ mode, id, to, text }) =>
        mode === 'plain'
          ? this.#session.rpc('publish', { channel: plainChannel(to), data: { from: this.#me, text } })
          : this.#session.rpc('send', { to: `@${to}`, id, body: { text } }),
      onTrying: (message) => this.#store.settle(message, 'sending'),
      onAnswered: (message, answer) => {
        if (message.mode === 'inbox') return this.#store.stored(message, answer);
        const { receivers = 0 } = answer;
        this.#store.settle(message, receivers > 0 ? 'live' : 'gone', { receivers });
      },
      onFailed: (message, error) =>
        this.#store.settle(message, 'failed', error.kind === 'refused' ? { reason: error.message } : {}),
      onQueue: (messages) =>
        writeTab(`outbox:${this.#me}`, messages.filter(({ mode }) => mode === 'inbox')),
    });
  }

  #connected({ data, resumedAt, positionKept }) {
    this.#resumedAt = resumedAt;
    if (data.server) this.#views.status.setServer(data.server);
    if (!positionKept) {
      this.#history.forget();
      this.#acknowledger.forget();
    }
    if (this.#open !== null) this.#history.fill(this.#open);
    this.#acknowledger.resume();
    this.#outbox.resume();
  }

  #publication(channel, publication) {
    if (channel === plainChannel(this.#me)) return this.#plainMessage(publication);
    if (channel !== `inbox:${this.#me}`) return;
    const missed = publication.data?.at < this.#resumedAt;
    const message = this.#store.inbox(publication.data, missed);
    if (message?.first && message.from !== this.#me) this.#received(message.peer, message, missed);
    if (publication.offset) this.#acknowledger.handled(publication.offset);
  }

  #plainMessage({ data, info }) {
    // The server vouches for `info`; `from` is only what the sender wrote.
    const from = info?.user || data?.from;
    if (typeof from !== 'string' || typeof data?.text !== 'string' || from === this.#me) return;
    this.#store.live({ id: newId(), from, text: data.text, time: Date.now() });
    this.#received(from, data, false);
  }

  #received(peer, { text }, missed) {
    if (peer !== this.#open) this.#store.with(peer).unread++;
    if (!missed) return this.#views.talk.announce(t('announce.message', { name: peer, text }));
    this.#missed++;
    clearTimeout(this.#missedTimer);
    this.#missedTimer = setTimeout(() => {
      this.#views.talk.announce(t('announce.missed', { count: this.#missed }));
      this.#missed = 0;
    }, ANNOUNCE_AFTER_MS);
  }

  // One drawing for a burst of changes.
  #redraw() {
    this.#drawTimer ??= setTimeout(() => this.#draw(), 0);
  }

  #draw() {
    clearTimeout(this.#drawTimer);
    this.#drawTimer = null;
    const conversations = this.#store.all();
    const known = conversations.slice(0, PEOPLE_REMEMBERED).map(({ peer, id }) => ({ peer, id }));
    writeSetting(`people:${this.#me}`, known);
    this.#views.people.draw(
      this.#me,
      conversations.map((conversation) => ({
        peer: conversation.peer,
        unread: conversation.unread,
        last: conversation.last(),
      })),
      this.#open,
    );
    const conversation = this.#open === null ? null : this.#store.with(this.#open);
    this.#views.talk.draw(conversation, this.#store.unreadTotal());
    if (!conversation) return;
    this.#views.messages.draw(conversation.items(), this.#me, { toEnd: this.#toEnd });
    this.#toEnd = false;
    this.#history.fill(conversation.peer);
  }

  #restore() {
    for (const { peer, id } of (readSetting(`people:${this.#me}`) ?? []).reverse()) this.#store.with(peer).id = id;
    const unanswered = readTab(`outbox:${this.#me}`) ?? [];
    for (const message of unanswered) {
      this.#store.addOwn({ ...message, time: Date.now(), state: 'waiting' });
      this.#outbox.add(message);
    }
    this.open(readTab(`open:${this.#me}`));
  }
}

// A `#` in a channel's name would start a list of users who may enter, so it is escaped, as is what escapes it.
function plainChannel(user) {
  return `public:to:${user.replace(/[%#]/g, encodeURIComponent)}`;
}
