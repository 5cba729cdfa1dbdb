import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { bitrateStops, choices, locked, mayControl, movesOthers, renew, widget } from '../src/box/controls.ts';
import { explain } from '../src/box/explain.ts';
import { Latest } from '../src/box/latest.ts';
import { LinkError, RpcError } from '../src/rpc/errors.ts';
import type { CameraControl } from '../src/rpc/types.ts';

function control(change: Partial<CameraControl> = {}): CameraControl {
  return {
    name: 'brightness',
    label: 'Brightness',
    type: 'integer',
    min: 0,
    max: 255,
    step: 1,
    value: 128,
    default: 128,
    inactive: false,
    read_only: false,
    ...change,
  };
}

test('settings are for operators and admins', () => {
  assert.deepEqual([null, 'viewer', 'operator', 'admin'].map((role) => mayControl(role as never)), [false, false, true, true]);
});

test('each type of control has its widget', () => {
  assert.deepEqual(widget(control()), { kind: 'slider', min: 0, max: 255, step: 1, value: 128 });
  assert.deepEqual(widget(control({ type: 'boolean', value: true })), { kind: 'switch', on: true });
  const menu = [{ value: 1, name: 'Manual Mode' }];
  assert.deepEqual(widget(control({ type: 'menu', menu, value: 1 })), { kind: 'menu', items: menu, value: 1 });
  assert.deepEqual(widget(control({ type: 'button', value: null })), { kind: 'button' });
});

test('a range no slider can be set in is a number; a wide one with great steps still is a slider', () => {
  assert.equal(widget(control({ min: -(2 ** 63), max: 2 ** 63 }))?.kind, 'number');
  assert.equal(widget(control({ min: 0, max: 1_000_000, step: 1000 }))?.kind, 'slider');
});

test('what a newer box may send breaks nothing', () => {
  for (const odd of [{ type: 'bitmask' }, { type: 'menu' }, { value: null }, { type: 'menu', menu: [] }]) {
    assert.equal(widget(control(odd as Partial<CameraControl>)), null, JSON.stringify(odd));
  }
});

test('a locked control says why', () => {
  assert.equal(locked(control()), null);
  assert.equal(locked(control({ inactive: true })), 'automatic');
  assert.equal(locked(control({ read_only: true, inactive: true })), 'fixed');
});

test("the driver's answer replaces what was shown, and only that", () => {
  const [one, two] = [control(), control({ name: 'contrast' })];
  const renewed = renew([one, two], [control({ name: 'contrast', value: 130 })]);
  assert.equal(renewed[0], one);
  assert.equal(renewed[1]!.value, 130);
  assert.deepEqual([one, control({ type: 'boolean' })].map(movesOthers), [false, true]);
});

test('the present bit rate, size and rate can always be shown', () => {
  const stops = bitrateStops(2345);
  assert.ok(stops.includes(2345));
  assert.deepEqual(stops, [...stops].sort((a, b) => a - b));
  assert.equal(new Set(bitrateStops(2500)).size, bitrateStops(2500).length);
  assert.deepEqual(choices(['640x480'], '1280x720'), ['1280x720', '640x480']);
  assert.deepEqual(choices([30, 15], 15), [30, 15]);
});

test('a refusal is told as cause and action, in sentences', () => {
  const refusal = new RpcError(-32602, 'Invalid parameters', {
    details: '300 is out of range: brightness takes 0 to 255',
    suggestion: 'the nearest permitted value is 255',
  });
  assert.deepEqual(explain(refusal), {
    reason: '300 is out of range: brightness takes 0 to 255.',
    action: 'The nearest permitted value is 255.',
  });
  for (const error of [new RpcError(-32603, 'Internal server error', null), new LinkError('not connected'), 'odd']) {
    const told = explain(error);
    assert.ok(told.reason.endsWith('.') && told.action.endsWith('.'), String(error));
  }
});

test('of many wishes the camera gets the first, some, and always the last', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const sent: number[] = [];
    const answers: (() => void)[] = [];
    let idle = 0;
    const send = (wish: number) => {
      sent.push(wish);
      return new Promise<void>((done) => answers.push(done));
    };
    const wishes = new Latest(send, () => idle++, 100);
    for (let wish = 0; wish < 50; wish++) wishes.push(wish);
    assert.deepEqual(sent, [0], 'one at a time');
    answers.shift()!();
    await turn();
    assert.deepEqual(sent, [0], 'not before the spacing is over');
    wishes.push(50);
    mock.timers.tick(100);
    await turn();
    assert.deepEqual(sent, [0, 50]);
    assert.equal(idle, 0);
    answers.shift()!();
    await turn();
    assert.deepEqual([sent, idle], [[0, 50], 1]);
  } finally {
    mock.timers.reset();
  }
});

test('a wish that fails does not stop the next', async () => {
  const sent: number[] = [];
  const ended = new Promise<void>((done) => {
    const wishes = new Latest(
      (wish: number) => {
        sent.push(wish);
        return wish === 1 ? Promise.reject(new Error('refused')) : Promise.resolve();
      },
      done,
      0,
    );
    wishes.push(1);
    wishes.push(2);
  });
  await ended;
  assert.deepEqual(sent, [1, 2]);
});

function turn(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}
