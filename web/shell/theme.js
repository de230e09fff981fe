import { onLanguage, t } from '../i18n/language.js';
import { readSetting, writeSetting } from './memory.js';

const SETTING = 'theme';
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

/** Lets `button` switch between light and dark; without a choice the system's applies. */
export function setUpTheme(button) {
  const isDark = () => (readSetting(SETTING) ?? (systemIsDark.matches ? 'dark' : 'light')) === 'dark';
  const label = () => {
    const text = t(isDark() ? 'theme.light' : 'theme.dark');
    button.title = text;
    button.setAttribute('aria-label', text);
  };
  button.addEventListener('click', () => {
    const theme = isDark() ? 'light' : 'dark';
    writeSetting(SETTING, theme);
    document.documentElement.dataset.theme = theme;
    label();
  });
  systemIsDark.addEventListener('change', label);
  onLanguage(label);
}
