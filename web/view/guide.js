import { t } from '../i18n/language.js';
import { element } from './element.js';

/** What to do first, shown while no conversation is open. `peers`: the other servers, none outside the demo. */
export function drawGuide(node, peers) {
  if (peers.length === 0) {
    node.replaceChildren(element('h2', {}, t('guide.serveTitle')), element('p', {}, t('guide.serveText')));
    return;
  }
  const open = peers.map(({ server, url }) =>
    element('a', { class: 'button', href: url, target: '_blank', rel: 'noopener' }, t('top.peer', { server })),
  );
  node.replaceChildren(
    element('h2', {}, t('guide.title')),
    element(
      'ol',
      {},
      element('li', {}, t('guide.step1'), element('div', { class: 'row' }, ...open)),
      element('li', {}, t('guide.step2')),
      element('li', {}, t('guide.step3')),
      element('li', {}, t('guide.step4')),
    ),
  );
}
