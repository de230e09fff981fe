import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Session } from '../../web/client/session.js';
import { FakeSocket } from './fake-socket.mjs';

const INBOX = 'inbox:bob';
const granted = (offset) => ({ [INBOX]: { recoverable: true, positioned: true, epoch: 'e', offset } });
const pub = (offset) => ({ push: { channel: INBOX, pub: { data: { n: offset }, offset } } });
const settled = () => new Promise((resolve) => setImmediate(resolve));

let sockets, states, got;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  sockets = [];
  states = [];
  got = [];
});

function startSession(options = {}) {
  const session = new Session({
    openWebSocket: () => {
      sockets.push(new FakeSocket());
      return sockets.at(-1);
    },
    token: 'first',
    freshToken: async () => null,
    device: 'd1',
    onState: (state, detail) => states.push(state === 'ended' ? [state, detail.code] : state),
    onConnected: ({ positionKept }) => got.push(`connected:${positionKept}`),
    onPublication: (channel, { offset }) => got.push(`${channel}@${offset}`),
    ...options,
  });
  session.goOnline();
  return session;
}

function accept(socket, subs = granted(0), ...more) {
  socket.opens();
  socket.receives({ id: socket.last('connect').id, connect: { ping: 25, pong: true, subs } }, ...more);
}

test('connect carries token and device, and no positions the first time', () => {
  startSession();
  sockets[0].opens();
  const { connect } = sockets[0].last('connect');
  assert.equal(connect.token, 'first');
  assert.deepEqual(connect.data, { device: 'd1' });
  assert.equal('subs' in connect, false);
});

test('pushes that share a frame with the connect reply find the connection set up', () => {
  startSession();
  accept(sockets[0], granted(4), pub(5), pub(6));
  assert.deepEqual(states, ['connecting', 'online']);
  assert.deepEqual(got, ['connected:false', `${INBOX}@5`, `${INBOX}@6`]);
});

test('the next connect presents the position after the last handled publication', () => {
  startSession();
  accept(sockets[0], granted(4), pub(5));
  sockets[0].dies(1006);
  mock.timers.tick(1_000);
  sockets[1].opens();
  assert.deepEqual(sockets[1].last('connect').connect.subs, { [INBOX]: { recover: true, epoch: 'e', offset: 5 } });
});

test('a position is not kept if what comes begins behind it, whatever the server says', () => {
  for (const [offset, recovered, kept] of [[5, true, true], [4, true, true], [8, true, false], [8, false, false]]) {
    sockets = [];
    got = [];
    startSession();
    accept(sockets[0], granted(4), pub(5));
    sockets[0].dies(1006);
    mock.timers.tick(1_000);
    const [[channel, inbox]] = Object.entries(granted(offset));
    accept(sockets[1], { [channel]: { ...inbox, was_recovering: true, recovered } });
    assert.equal(got.at(-1), `connected:${kept}`, `${offset} ${recovered}`);
  }
});

test('a publication whose handler failed is asked for again', () => {
  startSession({
    onPublication: () => {
      throw new Error('handler');
    },
  });
  accept(sockets[0], granted(4));
  assert.throws(() => sockets[0].receives(pub(5)), /handler/);
  sockets[0].dies(1006);
  mock.timers.tick(1_000);
  sockets[1].opens();
  assert.equal(sockets[1].last('connect').connect.subs[INBOX].offset, 4);
});

test('a ping is answered with a pong', () => {
  startSession();
  accept(sockets[0]);
  sockets[0].receives({});
  assert.deepEqual(sockets[0].sent.at(-1), {});
});

test('silence beyond the ping interval and its patience makes it reconnect', () => {
  startSession();
  accept(sockets[0]);
  mock.timers.tick(34_999);
  assert.equal(states.at(-1), 'online');
  mock.timers.tick(1);
  assert.equal(states.at(-1), 'connecting');
  assert.equal(sockets[0].closedWith, 1000);
});

test('terminal close codes end the session, all others bring it back', () => {
  for (const code of [1009, 3500, 3999, 4500, 4999]) {
    sockets = [];
    states = [];
    startSession();
    accept(sockets[0]);
    sockets[0].dies(code);
    mock.timers.tick(60_000);
    assert.deepEqual(states.at(-1), ['ended', code]);
    assert.equal(sockets.length, 1);
  }
  for (const code of [1000, 1006, 3000, 3012, 3499, 4000, 4499]) {
    sockets = [];
    startSession();
    accept(sockets[0]);
    sockets[0].dies(code);
    mock.timers.tick(1_000);
    assert.equal(sockets.length, 2, `comes back after ${code}`);
  }
});

test('an expired token is replaced by a new one', async () => {
  startSession({ freshToken: async () => 'second' });
  sockets[0].opens();
  sockets[0].receives({ id: 1, error: { code: 109, message: 'token expired' } });
  await settled();
  mock.timers.tick(1_000);
  sockets[1].opens();
  assert.equal(sockets[1].last('connect').connect.token, 'second');
});

test('an expired token with no new one to be had ends the session', async () => {
  startSession();
  sockets[0].opens();
  sockets[0].receives({ id: 1, error: { code: 109, message: 'token expired' } });
  await settled();
  assert.deepEqual(states, ['connecting', ['ended', 109]]);
});

test('a final refusal of connect ends the session, a temporary one does not', () => {
  startSession();
  sockets[0].opens();
  sockets[0].receives({ id: 1, error: { code: 101, message: 'unauthorized' } });
  assert.deepEqual(states.at(-1), ['ended', 101]);

  sockets = [];
  startSession();
  sockets[0].opens();
  sockets[0].receives({ id: 1, error: { code: 100, message: 'internal', temporary: true } });
  mock.timers.tick(1_000);
  assert.equal(sockets.length, 2);
});

test('going offline closes with 1000 and stays away until switched back', () => {
  const session = startSession();
  accept(sockets[0]);
  session.goOffline();
  assert.equal(sockets[0].closedWith, 1000);
  sockets[0].dies(1000);
  mock.timers.tick(120_000);
  assert.equal(sockets.length, 1);
  assert.equal(session.state, 'offline');
  session.goOnline();
  assert.equal(sockets.length, 2);
});

test('one lost connection costs one attempt, also while connect is unanswered', () => {
  startSession();
  sockets[0].opens();
  sockets[0].dies(1006);
  mock.timers.tick(20_000);
  assert.equal(sockets.length, 2);
});

test('a connect that is not answered within five seconds is tried again', () => {
  startSession();
  sockets[0].opens();
  mock.timers.tick(5_000);
  assert.equal(sockets[0].closedWith, 1000);
  mock.timers.tick(1_000);
  assert.equal(sockets.length, 2);
});

test('an unanswered command fails as timeout, a dropped one as lost, a refused one with its code', async () => {
  const session = startSession();
  accept(sockets[0]);
  const slow = session.rpc('send', {});
  mock.timers.tick(5_000);
  await assert.rejects(slow, { kind: 'timeout', mayRetry: true });

  const refused = session.rpc('send', {});
  sockets[0].receives({ id: sockets[0].last('rpc').id, error: { code: 107, message: 'bad request' } });
  await assert.rejects(refused, { kind: 'refused', code: 107, mayRetry: false });

  const dropped = session.rpc('send', {});
  sockets[0].dies(1006);
  await assert.rejects(dropped, { kind: 'lost', mayRetry: true });
});

test('wanted channels are subscribed on every connection', () => {
  const session = startSession();
  session.subscribe('public:to:bob');
  accept(sockets[0]);
  assert.deepEqual(sockets[0].last('subscribe').subscribe, { channel: 'public:to:bob' });
  sockets[0].dies(3001);
  mock.timers.tick(1_000);
  accept(sockets[1]);
  assert.deepEqual(sockets[1].last('subscribe').subscribe, { channel: 'public:to:bob' });
});

test('a subscription ended with insufficient state is made again, one ended for good is not', () => {
  const session = startSession();
  session.subscribe('public:to:bob');
  accept(sockets[0]);
  const count = () => sockets[0].sent.filter((command) => command.subscribe).length;
  sockets[0].receives({ push: { channel: 'public:to:bob', unsubscribe: { code: 2500 } } });
  assert.equal(count(), 2);
  sockets[0].receives({ push: { channel: 'public:to:bob', unsubscribe: { code: 2000 } } });
  assert.equal(count(), 2);
});

test('a changed epoch is told as a lost position', () => {
  startSession();
  accept(sockets[0], granted(4));
  sockets[0].dies(1006);
  mock.timers.tick(1_000);
  accept(sockets[1], { [INBOX]: { recoverable: true, epoch: 'e', offset: 4 } });
  sockets[1].dies(1006);
  mock.timers.tick(2_000);
  accept(sockets[2], { [INBOX]: { recoverable: true, epoch: 'f', offset: 0 } });
  assert.deepEqual(got, ['connected:false', 'connected:true', 'connected:false']);
});

test('a token is refreshed when its time runs out', async () => {
  startSession({ freshToken: async () => 'second' });
  sockets[0].opens();
  sockets[0].receives({ id: 1, connect: { expires: true, ttl: 60 } });
  mock.timers.tick(60_000);
  await settled();
  assert.deepEqual(sockets[0].last('refresh').refresh, { token: 'second' });
});

test('what cannot be read ends the connection, and it comes back', () => {
  startSession();
  accept(sockets[0]);
  sockets[0].onmessage({ data: 'not json' });
  mock.timers.tick(1_000);
  assert.equal(sockets.length, 2);
});
