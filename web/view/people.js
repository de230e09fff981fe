import { onLanguage, t } from '../i18n/language.js';
import { drawAvatar } from './avatar.js';
import { element } from './element.js';
import { userNameProblem } from '../chat/user-name.js';

const find = (id) => document.getElementById(id);

/** The list of people and the field for a new one. */
export class People {
  #me = '';
  #conversations = [];
  #open = null;
  #problem = null;
  #onOpen;

  /** `onOpen(name, {focus})` when somebody was chosen; `focus`: the user is done here and goes on to write. */
  constructor(onOpen) {
    this.#onOpen = onOpen;
    const field = find('recipient');
    const form = find('recipient-form');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#choose(field, true);
    });
    // Leaving the field with a name in it means the same as the button.
    form.addEventListener('focusout', (event) => {
      if (field.value.trim() !== '' && !form.contains(event.relatedTarget)) this.#choose(field, false);
    });
    field.addEventListener('input', () => this.#say(null));
    find('people').addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) this.#onOpen(button.dataset.name, { focus: true });
    });
    onLanguage(() => {
      this.#draw();
      this.#say(this.#problem);
    });
  }

  draw(me, conversations, open) {
    this.#me = me;
    this.#conversations = conversations;
    this.#open = open;
    this.#draw();
  }

  #choose(field, focus) {
    const name = field.value.trim();
    const problem = userNameProblem(name);
    this.#say(problem);
    if (problem) return;
    field.value = '';
    this.#onOpen(name, { focus });
  }

  #say(problem) {
    this.#problem = problem;
    find('recipient-error').textContent = problem ? t(`name.${problem}`) : '';
  }

  #draw() {
    const focused = document.activeElement?.closest?.('#people button')?.dataset.name;
    find('people').replaceChildren(...this.#conversations.map((conversation) => this.#item(conversation)));
    find('people-none').hidden = this.#conversations.length > 0;
    if (focused === undefined) return;
    for (const button of find('people').querySelectorAll('button')) {
      if (button.dataset.name === focused) button.focus();
    }
  }

  #item({ peer, unread, last }) {
    const avatar = element('span', { class: 'avatar', 'aria-hidden': 'true' });
    drawAvatar(avatar, peer);
    const name = element('bdi', { class: 'name' }, peer);
    const title = element('span', { class: 'title' }, name);
    if (peer === this.#me) title.append(element('span', { class: 'tag' }, t('people.you')));
    const preview = element('span', { class: 'preview', dir: 'auto' }, this.#preview(last));
    const button = element(
      'button',
      {
        type: 'button',
        'data-testid': 'conversation-item',
        'data-name': peer,
        'data-unread': String(unread),
        'aria-current': peer === this.#open ? 'true' : null,
      },
      avatar,
      element('span', { class: 'words' }, title, preview),
    );
    if (unread > 0) {
      const spoken = element('span', { class: 'unseen' }, t('people.unread', { count: unread }));
      button.append(element('span', { class: 'unread', 'aria-hidden': 'true' }, String(unread)), spoken);
    }
    return element('li', {}, button);
  }

  #preview(last) {
    if (!last) return '';
    return last.from === this.#me ? t('people.youSaid', { text: last.text }) : last.text;
  }
}
