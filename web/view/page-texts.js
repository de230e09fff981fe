import { language, onLanguage, setLanguage, t } from '../i18n/language.js';

/** Fills the texts that `index.html` names by key, and lets `button` switch to the other language. */
export function setUpTexts(button) {
  button.addEventListener('click', () => setLanguage(other()));
  onLanguage(() => {
    document.documentElement.lang = language();
    for (const node of document.querySelectorAll('[data-text]')) node.textContent = t(node.dataset.text);
    for (const node of document.querySelectorAll('[data-placeholder]')) node.placeholder = t(node.dataset.placeholder);
    for (const node of document.querySelectorAll('[data-label]')) node.setAttribute('aria-label', t(node.dataset.label));
    for (const node of document.querySelectorAll('[data-title]')) {
      node.title = t(node.dataset.title);
      if (node.matches('button')) node.setAttribute('aria-label', node.title);
    }
    button.textContent = other() === 'ko' ? '한국어' : 'English';
    button.lang = other();
  });
}

const other = () => (language() === 'ko' ? 'en' : 'ko');
