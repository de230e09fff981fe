import { readSetting, writeSetting } from '../shell/memory.js';
import en from './en.js';
import ko from './ko.js';

const TEXTS = { en, ko };
const SETTING = 'language';
const listeners = [];

let current = readSetting(SETTING);
if (!(current in TEXTS)) current = navigator.language?.startsWith('ko') ? 'ko' : 'en';

/** The language in use: `en` or `ko`. */
export function language() {
  return current;
}

/** Changes the language, remembers it, and has everything that listens drawn again. */
export function setLanguage(code) {
  current = code;
  writeSetting(SETTING, code);
  for (const listener of listeners) listener();
}

/** Calls `listener` now and after every change of language. */
export function onLanguage(listener) {
  listeners.push(listener);
  listener();
}

/**
 * The text for `key`, its `{places}` filled from `values`. Texts with plural forms choose by `values.count`. Plain
 * text: to be shown as such, never as markup.
 */
export function t(key, values = {}) {
  let text = TEXTS[current][key];
  if (typeof text === 'object') {
    text = text[new Intl.PluralRules(current).select(values.count)] ?? text.other;
  }
  return text.replace(/\{(\w+)\}/g, (_, place) => String(values[place]));
}

/** A moment (Unix milliseconds) as a reader needs it: the time, with the date unless it is today. */
export function timeText(moment) {
  const date = new Date(moment);
  const sameDay = date.toDateString() === new Date().toDateString();
  const parts = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
  if (!sameDay) Object.assign(parts, { month: 'short', day: 'numeric' });
  return new Intl.DateTimeFormat(current, parts).format(date);
}
