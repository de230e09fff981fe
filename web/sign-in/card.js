import { onLanguage, t } from '../i18n/language.js';

const find = (id) => document.getElementById(id);

/** The card that asks for a name (demo) or a token (everywhere else). */
export class SignInCard {
  #server = null;
  #busy = false;
  #error = null;

  /** `onSubmit(text)` with what was entered. */
  constructor(onSubmit) {
    find('sign-in-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#server && !this.#busy) onSubmit(this.#field().value.trim());
    });
    onLanguage(() => this.#draw());
  }

  setServer(server) {
    this.#server = server;
    this.#draw();
  }

  /** Shows the card, its field filled with `entered`, unless the user is already in it. */
  show(entered = '') {
    this.#busy = false;
    if (find('sign-in').hidden && this.#server) this.#field().value = entered;
    find('sign-in').hidden = false;
    this.#draw();
    if (this.#server) this.#field().focus();
  }

  hide() {
    find('sign-in').hidden = true;
    find('sign-in-name').value = '';
    find('sign-in-token').value = '';
    this.say(null);
  }

  setBusy() {
    this.#busy = true;
    this.say(null);
  }

  /** Tells the user what is wrong: a key of the texts, or null for nothing. */
  say(key, values = {}) {
    this.#error = key && { key, values };
    if (key) this.#busy = false;
    this.#draw();
  }

  #field() {
    return find(this.#server.demo ? 'sign-in-name' : 'sign-in-token');
  }

  #draw() {
    const button = find('sign-in-button');
    button.textContent = t(this.#busy ? 'signIn.busy' : 'signIn.button');
    button.disabled = this.#busy || !this.#server;
    find('sign-in-error').textContent = this.#error ? t(this.#error.key, this.#error.values) : '';
    if (!this.#server) return;
    const { demo, server } = this.#server;
    find('sign-in-by-name').hidden = !demo;
    find('sign-in-by-token').hidden = demo;
    find('sign-in-lead').textContent = t(demo ? 'signIn.demoLead' : 'signIn.serveLead', { server });
  }
}
