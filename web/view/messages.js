import { t, timeText } from '../i18n/language.js';
import { element } from './element.js';

const NEAR_END_PX = 80;

/** The list of messages of the open conversation. */
export class Messages {
  #list;
  #scroll;
  #atEnd = true;
  /** Rows by message, each with what it was drawn from, so that only what changed is drawn again. */
  #rows = new Map();

  constructor(list, scroll) {
    this.#list = list;
    this.#scroll = scroll;
    scroll.addEventListener('scroll', () => {
      this.#atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END_PX;
    });
    // A reader at the end stays there when a phone's keyboard or a notice takes some of the room.
    new ResizeObserver(() => {
      if (this.#atEnd) scroll.scrollTop = scroll.scrollHeight;
    }).observe(scroll);
  }

  /** Shows `items`, oldest first. `toEnd`: scroll to the newest, wherever the reader is. */
  draw(items, me, { toEnd = false } = {}) {
    const scroll = this.#scroll;
    const fromEnd = scroll.scrollHeight - scroll.scrollTop;
    const follow = toEnd || this.#atEnd;

    const nodes = [];
    items.forEach((item, index) => {
      if (item.missed && !items[index - 1]?.missed) nodes.push(waitedDivider(items, index));
      nodes.push(this.#row(item, me));
    });
    place(this.#list, nodes);

    // Staying the same distance from the end keeps the reader's place when earlier messages are put in above.
    scroll.scrollTop = follow ? scroll.scrollHeight : scroll.scrollHeight - fromEnd;
  }

  /** Forgets what was drawn: another conversation, or another language. */
  clear() {
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  #row(item, me) {
    const drawnFrom = JSON.stringify([item.seq, item.state, item.missed, item.time, item.detail, item.text]);
    const known = this.#rows.get(item);
    if (known?.drawnFrom === drawnFrom) return known.node;
    const node = row(item, item.from === me);
    this.#rows.set(item, { node, drawnFrom });
    return node;
  }
}

/** Makes `nodes` the children of `list`, moving only those that are not where they should be. */
function place(list, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
}

function row(item, mine) {
  const text = element(item.state === 'gone' ? 's' : 'p', { class: 'text', dir: 'auto' }, item.text);
  const who = mine ? t('message.fromMe') : t('message.from', { name: item.from });
  return element(
    'li',
    {
      class: mine ? 'message mine' : 'message',
      'data-testid': 'message',
      'data-id': item.id,
      'data-from': item.from,
      'data-state': item.state,
      'data-missed': String(item.missed),
    },
    element('span', { class: 'unseen' }, who),
    element('div', { class: 'bubble' }, text),
    meta(item, mine),
  );
}

function meta(item, mine) {
  const time = element('time', { datetime: new Date(item.time).toISOString() }, timeText(item.time));
  if (item.missed) {
    time.textContent = t('message.sentAt', { time: time.textContent });
    return element('p', { class: 'meta' }, element('span', { class: 'label' }, t('message.missed')), time);
  }
  const label = stateLabel(item, mine);
  const parts = label === '' ? [time] : [time, element('span', { class: 'label' }, label)];
  return element('p', { class: 'meta' }, ...parts);
}

function stateLabel({ state, detail }, mine) {
  if (state === 'received') return '';
  if (state === 'live') return mine ? t('message.liveOut', { count: detail.receivers }) : t('message.liveIn');
  if (state === 'failed') return detail.reason ? t('message.failed', detail) : t('message.unknown');
  return t(`message.${state}`);
}

function waitedDivider(items, start) {
  let end = start;
  while (items[end]?.missed) end++;
  return element('li', { class: 'divider' }, element('span', {}, t('chat.waited', { count: end - start })));
}
