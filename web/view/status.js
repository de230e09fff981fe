import { onLanguage, t } from '../i18n/language.js';
import { element } from './element.js';

const find = (id) => document.getElementById(id);

/** The top bar: which server, who, the connection's state and its switch, the other servers. */
export class Status {
  #server = null;
  #peers = [];
  #me = null;
  #state = 'connecting';
  #ended = { code: 0, reason: '' };

  /** `onOffline(wanted)` when the switch is moved; `onSignOut()`; `onSignInAgain()`. */
  constructor({ onOffline, onSignOut, onSignInAgain }) {
    find('offline-switch').addEventListener('change', (event) => onOffline(event.target.checked));
    find('sign-out').addEventListener('click', onSignOut);
    find('ended-button').addEventListener('click', onSignInAgain);
    onLanguage(() => this.#draw());
  }

  /** `peers`: all servers as `{server, url}`, this one may be among them. */
  setServer(server, peers = this.#peers) {
    this.#server = server;
    this.#peers = peers;
    this.#draw();
  }

  setUser(me) {
    this.#me = me;
    find('offline-switch').checked = false;
    this.#draw();
  }

  setState(state, detail) {
    this.#state = state;
    this.#ended = detail;
    this.#draw();
  }

  #draw() {
    const server = find('server-name');
    server.hidden = this.#server === null;
    server.textContent = this.#server ?? '';
    server.title = t('top.server', { server: this.#server });

    const peers = this.#peers.filter((peer) => peer.server !== this.#server);
    find('peers').hidden = peers.length === 0;
    find('peers').replaceChildren(...peers.map(peerLink));

    const signedIn = this.#me !== null;
    find('status').hidden = !signedIn;
    find('sign-out').hidden = !signedIn;
    find('me').textContent = this.#me ?? '';
    const state = find('connection-state');
    state.dataset.state = this.#state;
    state.textContent = t(`state.${this.#state}`);
    find('away').hidden = this.#state !== 'offline';
    find('offline-switch').disabled = this.#state === 'ended';

    const ended = signedIn && this.#state === 'ended';
    find('ended').hidden = !ended;
    if (ended) find('ended-text').textContent = t('ended.text', { reason: this.#ended.reason || this.#ended.code });
    document.title = signedIn ? `${t('page.title', { name: this.#me, server: this.#server })} — Naru` : 'Naru';
  }
}

/** A link that opens another server's page beside this one. */
export function peerLink({ server, url }) {
  return element(
    'a',
    { href: url, target: '_blank', rel: 'noopener', 'data-testid': 'peer-link', 'data-server': server, title: t('top.peer', { server }) },
    server,
    element('span', { 'aria-hidden': 'true' }, ' ↗'),
  );
}
