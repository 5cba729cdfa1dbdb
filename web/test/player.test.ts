import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameWatch } from '../src/player/framewatch.ts';
import { CONNECT_LIMIT_MS, dueAt, step, type PlayerEvent, type PlayerState, type Step } from '../src/player/machine.ts';
import { words } from '../src/player/words.ts';

/** No randomness in the waits. */
const steady = () => 0;

/** Runs events `[time, event]` from idle. */
function run(...events: [number, PlayerEvent][]): Step {
  return events.reduce<Step>((at, [now, event]) => step(at.state, event, now, steady), { state: { kind: 'idle' } });
}

const start: PlayerEvent = { kind: 'start' };
const frame: PlayerEvent = { kind: 'frame' };
const tick: PlayerEvent = { kind: 'tick' };
const frozen: PlayerEvent = { kind: 'trouble', why: 'frozen' };

test('start opens, the first frame makes it live, later frames change nothing', () => {
  const opened = run([0, start]);
  assert.equal(opened.order, 'open');
  assert.equal(opened.state.kind, 'connecting');
  const live = step(opened.state, frame, 700);
  assert.deepEqual(live, { state: { kind: 'live', since: 700, attempt: 0 } });
  assert.equal(step(live.state, frame, 900).state, live.state);
});

test('404 waits, and tries again in 0.25, 0.5, 1, 2, 4, 4 s', () => {
  let at = run([0, start]);
  let now = 0;
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    at = step(at.state, { kind: 'missing' }, now, steady);
    assert.equal(at.state.kind, 'waiting');
    assert.equal(at.order, 'close');
    const due = dueAt(at.state)!;
    waits.push(due - now);
    assert.equal(step(at.state, tick, due - 1, steady).order, undefined);
    now = due;
    at = step(at.state, tick, now, steady);
    assert.equal(at.order, 'open');
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 4000]);
});

test('no picture in time is a trouble of its own', () => {
  const at = run([0, start], [CONNECT_LIMIT_MS, tick]);
  assert.deepEqual(at, {
    state: { kind: 'reconnecting', retryAt: CONNECT_LIMIT_MS + 250, attempt: 1, why: 'slow' },
    order: 'close',
  });
});

test('a freeze is said and reconnected; only a picture that held shortens the next wait', () => {
  const brief = run([0, start], [100, frame], [2200, frozen], [2450, tick], [2500, frame], [4600, frozen]);
  assert.ok(brief.state.kind === 'reconnecting' && brief.state.retryAt === 4600 + 500);
  const held = run([0, start], [100, frame], [2200, frozen], [2450, tick], [2500, frame], [9000, frozen]);
  assert.ok(held.state.kind === 'reconnecting' && held.state.retryAt === 9000 + 250);
});

test('a camera that had to be waited for does not lengthen later waits', () => {
  const at = run([0, start], [1, { kind: 'missing' }], [251, tick], [252, { kind: 'missing' }], [752, tick], [800, frame], [3000, frozen]);
  assert.ok(at.state.kind === 'reconnecting' && at.state.retryAt === 3000 + 250);
});

test('a refusal is final until somebody starts anew', () => {
  const refused = run([0, start], [10, { kind: 'refused', why: 'forbidden' }]);
  assert.deepEqual(refused, { state: { kind: 'refused', why: 'forbidden' }, order: 'close' });
  for (const event of [tick, frame, frozen, { kind: 'wake' }, { kind: 'missing' }] as PlayerEvent[]) {
    assert.equal(step(refused.state, event, 1e6).state, refused.state);
  }
  assert.equal(step(refused.state, start, 20).order, 'open');
});

test('waking tries at once, but never disturbs a picture or a try', () => {
  assert.equal(run([0, start], [1, { kind: 'missing' }], [2, { kind: 'wake' }]).order, 'open');
  assert.equal(run([0, start], [1, frozen], [2, { kind: 'wake' }]).order, 'open');
  assert.equal(run([0, start], [1, { kind: 'wake' }]).order, undefined);
  assert.equal(run([0, start], [1, frame], [2, { kind: 'wake' }]).order, undefined);
});

test('no late event brings a stopped player back', () => {
  const stopped = run([0, start], [1, { kind: 'stop' }]);
  assert.equal(stopped.order, 'close');
  for (const event of [tick, frame, frozen, { kind: 'wake' }, { kind: 'missing' }, { kind: 'refused', why: 'token' }] as PlayerEvent[]) {
    assert.deepEqual(step(stopped.state, event, 5000), { state: { kind: 'idle' } });
  }
});

test('every state has its word, and only a live picture goes without a sentence', () => {
  const states: PlayerState[] = [
    { kind: 'idle' },
    { kind: 'connecting', deadline: 0, attempt: 0, after: 'start' },
    { kind: 'connecting', deadline: 0, attempt: 1, after: 'waiting' },
    { kind: 'connecting', deadline: 0, attempt: 1, after: 'frozen' },
    { kind: 'live', since: 0, attempt: 0 },
    { kind: 'waiting', retryAt: 0, attempt: 1 },
    { kind: 'reconnecting', retryAt: 3000, attempt: 1, why: 'lost' },
    { kind: 'refused', why: 'token' },
  ];
  const said = states.map((state) => words(state, 0));
  assert.deepEqual(said.map(({ word }) => word), [
    'Connecting',
    'Connecting',
    'Waiting for the camera',
    'Reconnecting',
    'Live',
    'Waiting for the camera',
    'Reconnecting in 3 s',
    'Refused',
  ]);
  said.forEach(({ sentence }, i) => assert.equal(sentence === '', states[i]!.kind === 'live'));
});

test('the frame watch sees a freeze after 2 s, not before the first frame', () => {
  const watch = new FrameWatch(30);
  for (let t = 0; t <= 3000; t += 500) watch.add(t, 0, 0);
  assert.ok(!watch.started && !watch.frozen(3000));
  watch.add(3500, 10, 1000);
  for (let t = 4000; t <= 5400; t += 400) watch.add(t, 10, 1000);
  assert.ok(watch.started);
  assert.ok(!watch.frozen(5400));
  assert.ok(watch.frozen(5500));
});

test('a slow camera is not called frozen between its frames', () => {
  const watch = new FrameWatch(0.5);
  watch.add(0, 1, 0);
  for (let t = 400; t <= 5600; t += 400) watch.add(t, 1, 0);
  assert.ok(!watch.frozen(5900));
  assert.ok(watch.frozen(6000));
});

test('time nobody watched is not counted as frozen', () => {
  const watch = new FrameWatch(30);
  watch.add(0, 1, 0);
  watch.add(400, 12, 0);
  watch.add(60_000, 12, 0); // the laptop slept
  assert.ok(!watch.frozen(60_000));
  for (let t = 60_400; t <= 62_000; t += 400) watch.add(t, 12, 0);
  assert.ok(watch.frozen(62_000));
});

test('rates come from the last two seconds', () => {
  const watch = new FrameWatch(30);
  assert.equal(watch.rates(), null);
  for (let i = 0; i <= 20; i++) watch.add(i * 400, i * 12, i * 50_000);
  const rates = watch.rates()!;
  assert.equal(Math.round(rates.framesPerSecond), 30);
  assert.equal(Math.round(rates.bitsPerSecond), 1_000_000);
});
