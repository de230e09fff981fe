import assert from 'node:assert/strict';
import { test } from 'node:test';
import { userNameProblem } from '../../web/chat/user-name.js';
import { backoffMs } from '../../web/client/backoff.js';
import { userOf } from '../../web/sign-in/token.js';

const tokenWith = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.signature`;

test('the user is the sub of the token, whatever characters it has', () => {
  for (const name of ['alice', '지민', 'a:b%c', '<b>ÿ?>~</b>']) assert.equal(userOf(tokenWith({ sub: name })), name);
});

test('what is no token, or names nobody, is said to be so', () => {
  for (const text of ['', 'abc', 'a.b', 'a.%%%.c', 'a.e30', 'a.bm8.c']) {
    assert.throws(() => userOf(text), { problem: 'badToken' }, text);
  }
  for (const claims of [{}, { sub: '' }, { sub: 7 }, null]) {
    assert.throws(() => userOf(tokenWith(claims)), { problem: 'noSubject' });
  }
});

test('a user name is 1 to 128 bytes without control characters', () => {
  for (const name of ['a', 'a:b', '50%', '<b>', '지'.repeat(42), 'x'.repeat(128), '👩‍🚀']) assert.equal(userNameProblem(name), null);
  assert.equal(userNameProblem(''), 'empty');
  assert.equal(userNameProblem('x'.repeat(129)), 'long');
  assert.equal(userNameProblem('지'.repeat(43)), 'long');
  for (const name of ['a\nb', 'a\u0000', 'a\u0085', 'a\ud800']) assert.equal(userNameProblem(name), 'control');
});

test('waits double up to twenty seconds and are random over the whole range', () => {
  assert.equal(backoffMs(0, () => 0), 500);
  assert.equal(backoffMs(9, () => 0), 500);
  assert.equal(backoffMs(1, () => 0.999), 1_499);
  assert.equal(backoffMs(5, () => 0.5), 8_500);
  assert.equal(backoffMs(50, () => 0.999), 20_000);
});
