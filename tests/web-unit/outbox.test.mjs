import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Acknowledger } from '../../web/chat/acknowledger.js';
import { Outbox } from '../../web/chat/outbox.js';
import { CommandError } from '../../web/client/codes.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));
const inbox = (id) => ({ id, to: 'bob', text: id, mode: 'inbox' });
const plain = (id) => ({ ...inbox(id), mode: 'plain' });

let tries, events, kept;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  tries = [];
  events = [];
});

function outbox() {
  return new Outbox({
    deliver: ({ id }) => new Promise((resolve, reject) => tries.push({ id, resolve, reject })),
    onTrying: () => {},
    onAnswered: ({ id }) => events.push(`answered ${id}`),
    onFailed: ({ id }) => events.push(`failed ${id}`),
    onQueue: (queue) => (kept = queue.map(({ id }) => id)),
  });
}

test('nothing is sent until the way is open, then everything in the order typed', async () => {
  const out = outbox();
  out.add(inbox('a'));
  out.add(inbox('b'));
  assert.equal(tries.length, 0);
  out.resume();
  assert.deepEqual(tries.map(({ id }) => id), ['a']);
  tries[0].resolve({});
  await settled();
  assert.deepEqual(tries.map(({ id }) => id), ['a', 'b']);
  assert.deepEqual(kept, ['b']);
});

test('a send that was cut off is tried again with the same id, before what came after it', async () => {
  const out = outbox();
  out.resume();
  out.add(inbox('a'));
  out.add(inbox('b'));
  out.pause();
  tries[0].reject(new CommandError('lost'));
  await settled();
  assert.equal(tries.length, 1);
  assert.deepEqual(kept, ['a', 'b']);
  out.resume();
  assert.deepEqual(tries.map(({ id }) => id), ['a', 'a']);
  tries[1].resolve({ duplicate: true });
  await settled();
  assert.deepEqual(events, ['answered a']);
});

test('a time-out and a temporary error are tried again after a while', async () => {
  const out = outbox();
  out.resume();
  out.add(inbox('a'));
  tries[0].reject(new CommandError('timeout'));
  await settled();
  mock.timers.tick(1_000);
  tries[1].reject(new CommandError('refused', { code: 100, temporary: true }));
  await settled();
  mock.timers.tick(2_000);
  assert.deepEqual(tries.map(({ id }) => id), ['a', 'a', 'a']);
  assert.deepEqual(events, []);
});

test('a final refusal fails that message and lets the next one pass', async () => {
  const out = outbox();
  out.resume();
  out.add(inbox('a'));
  out.add(inbox('b'));
  tries[0].reject(new CommandError('refused', { code: 107, message: 'bad request' }));
  await settled();
  assert.deepEqual(events, ['failed a']);
  assert.equal(tries.at(-1).id, 'b');
});

test('a plain message is never tried twice', async () => {
  const out = outbox();
  out.resume();
  out.add(plain('p'));
  tries[0].reject(new CommandError('timeout'));
  await settled();
  mock.timers.tick(60_000);
  assert.deepEqual(events, ['failed p']);
  assert.equal(tries.length, 1);
});

test('a burst of handled messages is acknowledged with one call', async () => {
  const sent = [];
  const acknowledger = new Acknowledger(async (offset) => sent.push(offset));
  for (const offset of [1, 2, 3]) acknowledger.handled(offset);
  mock.timers.tick(100);
  await settled();
  assert.deepEqual(sent, [3]);
  acknowledger.handled(3);
  mock.timers.tick(100);
  assert.deepEqual(sent, [3]);
});

test('what is handled while an acknowledgement is under way is acknowledged next', async () => {
  const sent = [];
  const acknowledger = new Acknowledger(async (offset) => sent.push(offset));
  acknowledger.handled(1);
  mock.timers.tick(100);
  acknowledger.handled(2);
  await settled();
  mock.timers.tick(100);
  await settled();
  assert.deepEqual(sent, [1, 2]);
});

test('an acknowledgement that failed is repeated once the server is back', async () => {
  const sent = [];
  let reachable = false;
  const acknowledger = new Acknowledger(async (offset) => {
    if (!reachable) throw new CommandError('lost');
    sent.push(offset);
  });
  acknowledger.handled(5);
  mock.timers.tick(100);
  await settled();
  reachable = true;
  acknowledger.resume();
  mock.timers.tick(100);
  await settled();
  assert.deepEqual(sent, [5]);
});
