import { t } from '../i18n/language.js';
import { drawAvatar } from './avatar.js';

const find = (id) => document.getElementById(id);

/** The frame around the messages: whose they are, the guide while nobody is chosen, what is read aloud. */
export class Talk {
  /** `onBack()`: back to the list (on narrow screens); `onEarlier()`: older messages are wanted. */
  constructor({ onBack, onEarlier }) {
    find('back').addEventListener('click', onBack);
    find('earlier').addEventListener('click', onEarlier);
  }

  /** `conversation` is the open one, or null. */
  draw(conversation, unreadTotal) {
    const isOpen = conversation !== null;
    find('chat').dataset.pane = isOpen ? 'talk' : 'list';
    find('talk-header').hidden = !isOpen;
    find('guide').hidden = isOpen;
    find('messages').hidden = !isOpen;
    find('earlier').hidden = !conversation?.more;
    find('back').dataset.unread = unreadTotal > 0 ? String(unreadTotal) : '';
    const empty = isOpen && conversation.items().length === 0;
    find('no-messages').hidden = !empty;
    if (!isOpen) return;
    drawAvatar(find('talk-avatar'), conversation.peer);
    find('talk-name').textContent = conversation.peer;
    find('messages').setAttribute('aria-label', t('chat.with', { name: conversation.peer }));
    if (empty) find('no-messages').textContent = t('chat.empty', { name: conversation.peer });
  }

  /** Has `text` read to those who listen instead of looking. */
  announce(text) {
    find('announcer').textContent = text;
  }
}
