import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConversationStore } from '../../web/chat/store.js';

const ID = 'dm:alice:bob';

const message = (seq, from, id = `m${seq}`, at = seq * 1_000) => ({
  kind: 'message',
  conversation: ID,
  seq,
  from,
  to: from === 'alice' ? 'bob' : 'alice',
  id,
  at,
  body: { text: `text ${id}` },
});
const own = (id) => ({ id, to: 'bob', text: `text ${id}`, mode: 'inbox', time: 1, state: 'waiting' });
const shown = (store) => store.with('bob').items().map(({ id, state }) => `${id}:${state}`);

test('a message that comes by answer, push and history is shown once', () => {
  const store = new ConversationStore('alice');
  store.addOwn(own('x'));
  store.stored(own('x'), { conversation: ID, seq: 1, at: 1_000 });
  store.inbox(message(1, 'alice', 'x'), false);
  store.page('bob', { entries: [message(1, 'alice', 'x')] }, true);
  assert.deepEqual(shown(store), ['x:stored']);
});

test('the push of an own message may come before the answer, or instead of it', () => {
  const store = new ConversationStore('alice');
  store.addOwn(own('x'));
  store.inbox(message(1, 'alice', 'x'), false);
  assert.deepEqual(shown(store), ['x:stored']);
  store.settle(own('x'), 'sending');
  store.stored(own('x'), { conversation: ID, seq: 1, at: 1_000 });
  assert.deepEqual(shown(store), ['x:stored']);
});

test('the same client id from another sender is another message', () => {
  const store = new ConversationStore('alice');
  store.addOwn(own('x'));
  store.inbox(message(1, 'bob', 'x'), false);
  assert.deepEqual(shown(store), ['x:received', 'x:waiting']);
});

test('messages stand in the order of the log, whatever order they came in', () => {
  const store = new ConversationStore('alice');
  for (const seq of [3, 1, 2]) store.inbox(message(seq, 'bob'), false);
  assert.deepEqual(shown(store), ['m1:received', 'm2:received', 'm3:received']);
});

test('what is still to be sent stands at the end, in the order typed', () => {
  const store = new ConversationStore('alice');
  store.addOwn(own('x'));
  store.addOwn(own('y'));
  store.inbox(message(1, 'bob'), false);
  assert.deepEqual(shown(store), ['m1:received', 'x:waiting', 'y:waiting']);
});

test('a live message stays where it came, between the stored ones', () => {
  const store = new ConversationStore('alice');
  store.inbox(message(1, 'bob'), false);
  store.live({ id: 'l', from: 'bob', text: 'live', time: 1_500 });
  store.addOwn({ ...own('p'), mode: 'plain' });
  store.settle(own('p'), 'gone', { receivers: 0 });
  store.inbox(message(2, 'bob'), false);
  assert.deepEqual(shown(store), ['m1:received', 'l:live', 'p:gone', 'm2:received']);
});

test('a live message that came before the history was read finds its place by time', () => {
  const store = new ConversationStore('alice');
  store.with('bob').id = ID;
  store.live({ id: 'l', from: 'bob', text: 'live', time: 2_500 });
  store.page('bob', { entries: [message(1, 'bob'), message(2, 'bob'), message(3, 'bob')] }, true);
  assert.deepEqual(shown(store), ['m1:received', 'm2:received', 'l:live', 'm3:received']);
});

test('missed is decided by the first delivery and not changed by a repeat', () => {
  const store = new ConversationStore('alice');
  assert.equal(store.inbox(message(1, 'bob'), true).first, true);
  assert.equal(store.inbox(message(1, 'bob'), false).first, false);
  assert.equal(store.inbox(message(2, 'bob'), false).first, true);
  assert.equal(store.inbox(message(2, 'bob'), true).first, false);
  assert.deepEqual(store.with('bob').items().map((item) => item.missed), [true, false]);
});

test('a missed message is marked even if history has shown it first', () => {
  const store = new ConversationStore('alice');
  store.page('bob', { entries: [message(1, 'bob')] }, true);
  assert.equal(store.inbox(message(1, 'bob'), true).first, true);
  assert.equal(store.with('bob').items()[0].missed, true);
});

test('own messages from elsewhere are never missed', () => {
  const store = new ConversationStore('alice');
  store.inbox(message(1, 'alice'), true);
  assert.equal(store.with('bob').items()[0].missed, false);
});

test('earlier pages go in front and remember where they begin', () => {
  const store = new ConversationStore('alice');
  store.page('bob', { entries: [message(3, 'bob'), message(4, 'bob')], more: true }, true);
  assert.equal(store.with('bob').oldest, 3);
  store.page('bob', { entries: [message(1, 'bob'), message(2, 'bob')], more: false }, false);
  assert.equal(store.with('bob').oldest, 1);
  assert.equal(store.with('bob').more, false);
  assert.deepEqual(shown(store), ['m1:received', 'm2:received', 'm3:received', 'm4:received']);
});

test('what is no message is skipped, an unknown body is shown as it is', () => {
  const store = new ConversationStore('alice');
  for (const data of [null, 'text', {}, { kind: 'read' }, { ...message(1, 'bob'), seq: 'one' }, { ...message(1, 'bob'), from: 7 }]) {
    assert.equal(store.inbox(data, false), null);
  }
  store.inbox({ ...message(1, 'bob'), body: { picture: 1 } }, false);
  assert.equal(store.with('bob').items()[0].text, '{"picture":1}');
});

test('the most recently active person comes first', () => {
  const store = new ConversationStore('alice');
  store.with('carol');
  store.inbox(message(1, 'bob'), false);
  store.with('dave');
  store.addOwn({ ...own('x'), to: 'carol' });
  assert.deepEqual(store.all().map(({ peer }) => peer), ['carol', 'dave', 'bob']);
});

test('a message to oneself is one message with oneself', () => {
  const store = new ConversationStore('alice');
  store.addOwn({ ...own('x'), to: 'alice' });
  store.inbox({ ...message(1, 'alice', 'x'), to: 'alice' }, false);
  assert.deepEqual(store.with('alice').items().map(({ state }) => state), ['stored']);
});

test('an edited message reads as it does now, and a deleted one is gone', () => {
  const store = new ConversationStore('alice');
  for (const seq of [1, 2, 3]) store.inbox(message(seq, 'bob'), false);
  const about = { conversation: ID, from: 'bob', to: 'alice', seq: 4 };
  assert.equal(store.inbox({ ...about, kind: 'edit', target: 1, body: { text: 'better' } }, false), null);
  assert.equal(store.inbox({ ...about, kind: 'delete', target: 2 }, false), null);
  assert.equal(store.inbox({ ...about, kind: 'edit', target: 9, body: 'of what is not here' }, false), null);
  assert.deepEqual(store.with('bob').items().map(({ text }) => text), ['better', 'text m3']);
  // As it is read from history, without a body.
  const { body, ...deleted } = message(2, 'bob');
  store.page('bob', { entries: [{ ...deleted, changed: 4 }] }, true);
  assert.equal(store.with('bob').items().length, 2);
});
