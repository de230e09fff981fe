import { onLanguage, t } from '../i18n/language.js';

const find = (id) => document.getElementById(id);

// The server closes the connection over a frame of 64 KiB; this leaves room for what surrounds the text.
const ENCODED_TEXT_BYTES_MAX = 60 * 1024;

/** The field for a new message, with a draft for each person. */
export class Composer {
  #field = find('compose');
  #plain = find('plain-switch');
  #peer = null;
  #drafts = new Map();
  #problem = null;

  /** `onSend(text, mode)` with mode `inbox` or `plain`. */
  constructor(onSend) {
    const form = find('composer');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send(onSend);
    });
    this.#field.addEventListener('keydown', (event) => {
      // While a syllable is being composed (Korean and others), Enter belongs to the input method.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#send(onSend);
    });
    this.#field.addEventListener('input', () => {
      this.#say(null);
      this.#grow();
    });
    this.#plain.addEventListener('change', () => this.#drawPlain());
    onLanguage(() => this.#label());
  }

  /** Turns to another person; null for nobody. */
  turnTo(peer) {
    if (peer === this.#peer) return;
    if (this.#peer !== null) this.#drafts.set(this.#peer, this.#field.value);
    // What was typed before anybody was chosen is meant for whoever is chosen now.
    else if (this.#field.value !== '') this.#drafts.set(peer, this.#field.value);
    this.#peer = peer;
    this.#field.value = this.#drafts.get(peer) ?? '';
    this.#say(null);
    this.#label();
    this.#grow();
  }

  focus() {
    this.#field.focus();
  }

  /** Back to how a new user finds it. */
  reset() {
    this.#peer = null;
    this.#drafts.clear();
    this.#field.value = '';
    this.#plain.checked = false;
    this.#drawPlain();
    this.#say(null);
    this.#label();
  }

  #send(onSend) {
    const text = this.#field.value.trim();
    if (text === '') return this.#field.focus();
    if (this.#peer === null) {
      this.#say('compose.nobody');
      return find('recipient').focus();
    }
    if (new TextEncoder().encode(JSON.stringify(text)).length > ENCODED_TEXT_BYTES_MAX) return this.#say('compose.long');
    this.#field.value = '';
    this.#drafts.delete(this.#peer);
    this.#grow();
    this.#field.focus();
    onSend(text, this.#plain.checked ? 'plain' : 'inbox');
  }

  #say(problem) {
    this.#problem = problem;
    find('compose-error').textContent = problem ? t(problem) : '';
  }

  #label() {
    const label = this.#peer === null ? t('compose.nobody') : t('compose.to', { name: this.#peer });
    this.#field.placeholder = label;
    this.#field.setAttribute('aria-label', this.#peer === null ? t('compose.label') : label);
    this.#say(this.#problem);
  }

  #drawPlain() {
    find('plain-hint').hidden = !this.#plain.checked;
    find('composer').classList.toggle('is-plain', this.#plain.checked);
  }

  #grow() {
    this.#field.rows = Math.min(6, this.#field.value.split('\n').length);
  }
}
