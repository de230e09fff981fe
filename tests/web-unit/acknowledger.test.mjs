import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Acknowledger } from '../../web/chat/acknowledger.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

let sent;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  sent = [];
});

async function gathered() {
  mock.timers.tick(100);
  await settled();
}

test('a burst costs one call, with the newest', async () => {
  const acknowledger = new Acknowledger(async (offset) => sent.push(offset));
  for (const offset of [1, 2, 3]) acknowledger.handled(offset);
  await gathered();
  acknowledger.handled(2);
  await gathered();
  assert.deepEqual(sent, [3]);
});

test('of another inbox only what was handled there is acknowledged, however low it is', async () => {
  const acknowledger = new Acknowledger(async (offset) => sent.push(offset));
  acknowledger.handled(5000);
  await gathered();
  acknowledger.handled(5001);
  acknowledger.forget();
  acknowledger.resume();
  await gathered();
  acknowledger.handled(1);
  await gathered();
  assert.deepEqual(sent, [5000, 1]);
});

test('an answer from before does not count for another inbox', async () => {
  let answered;
  const acknowledger = new Acknowledger((offset) => {
    sent.push(offset);
    return new Promise((resolve) => (answered = resolve));
  });
  acknowledger.handled(5000);
  mock.timers.tick(100);
  acknowledger.forget();
  answered();
  await settled();
  acknowledger.handled(1);
  await gathered();
  assert.deepEqual(sent, [5000, 1]);
});
