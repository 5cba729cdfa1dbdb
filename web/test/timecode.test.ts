import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 as zlibCrc } from './zlib.ts';
import { crc32, decode, decodeRgba } from '../src/timecode.ts';
import { random } from './random.ts';

const WHITE = 235;
const BLACK = 16;

/** The 120 bits of the strip. */
function strip(counter: number, ticks: bigint): number[] {
  const bytes = new Uint8Array(15);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0xca);
  view.setUint32(1, counter);
  view.setUint16(5, Number(ticks >> 32n));
  view.setUint32(7, Number(ticks & 0xffffffffn));
  view.setUint32(11, zlibCrc(bytes.subarray(1, 11)));
  return [...bytes].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (byte >> bit) & 1));
}

/** Paints the strip the way a scaler would leave it: each pixel by where its centre lies. */
function paint(bits: readonly number[], width: number, height: number, stride = width): Uint8Array {
  const side = width / 40;
  const luma = new Uint8Array(stride * height).fill(120);
  for (let y = Math.ceil(height - 3 * side - 0.5); y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = Math.min(2, Math.max(0, Math.floor((y + 0.5 - (height - 3 * side)) / side)));
      const column = Math.floor((x + 0.5) / side);
      luma[y * stride + x] = bits[row * 40 + column] ? WHITE : BLACK;
    }
  }
  return luma;
}

const SIZES = [
  [320, 240],
  [426, 240],
  [640, 480],
  [854, 480],
  [1000, 563],
  [1280, 720],
  [1366, 768],
  [1920, 1080],
] as const;

test('CRC-32 has the known check value', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
});

test('a fixed example, bit by bit', () => {
  // Counter 1 and time 0: nothing left to chance in the reading of the format.
  const bits = strip(1, 0n);
  assert.deepEqual(bits.slice(0, 8), [1, 1, 0, 0, 1, 0, 1, 0]);
  assert.equal(bits.slice(8, 40).join(''), '0'.repeat(31) + '1');
  assert.equal(bits.slice(40, 88).join(''), '0'.repeat(48));
  assert.deepEqual(decode(paint(bits, 640, 480), 640, 480), { counter: 1, capturedAtMs: 0 });
});

for (const [width, height] of SIZES) {
  test(`reads random strips with noise at ${width}x${height}`, () => {
    const next = random(width * 7919 + height);
    for (let round = 0; round < 12; round++) {
      const counter = Math.floor(next() * 2 ** 32);
      const ticks = BigInt(Math.floor(next() * 2 ** 48));
      const luma = paint(strip(counter, ticks), width, height);
      for (let i = 0; i < luma.length; i++) {
        luma[i] = Math.min(255, Math.max(0, luma[i]! + Math.round((next() * 2 - 1) * 40)));
      }
      assert.deepEqual(decode(luma, width, height), { counter, capturedAtMs: Number(ticks) / 10 });
    }
  });
}

test('the largest values keep every bit', () => {
  const read = decode(paint(strip(0xffffffff, 2n ** 48n - 1n), 854, 480), 854, 480);
  assert.deepEqual(read, { counter: 0xffffffff, capturedAtMs: (2 ** 48 - 1) / 10 });
});

test('each flipped cell is refused', () => {
  const good = strip(123456, 17_000_000_000_000n);
  for (let cell = 0; cell < 120; cell++) {
    const bits = good.map((bit, at) => (at === cell ? 1 - bit : bit));
    const read = decode(paint(bits, 640, 360), 640, 360);
    assert.equal(read.error, cell < 8 ? 'sync' : 'crc', `cell ${cell}`);
  }
});

test('rows may be padded, and the top may be cut off', () => {
  const bits = strip(42, 1n);
  assert.equal(decode(paint(bits, 854, 480, 896), 854, 480, 896).error, undefined);
  const whole = paint(bits, 854, 480);
  assert.equal(decode(whole.subarray(854 * 410), 854, 70).error, undefined);
});

test('canvas pixels read the same', () => {
  const luma = paint(strip(7, 123_456n), 426, 240);
  const data = new Uint8ClampedArray(luma.length * 4);
  luma.forEach((value, i) => data.set([value, value, value, 255], i * 4));
  assert.deepEqual(decodeRgba({ data, width: 426, height: 240 }), { counter: 7, capturedAtMs: 12_345.6 });
});

test('a full-range picture reads the same as a limited one', () => {
  const luma = paint(strip(9, 9n), 640, 480).map((value) => (value === WHITE ? 255 : value === BLACK ? 0 : value));
  assert.equal(decode(luma, 640, 480).error, undefined);
});

test('a picture without a strip is refused', () => {
  assert.deepEqual(decode(new Uint8Array(640 * 480).fill(128), 640, 480), { error: 'contrast' });
  const next = random(1);
  const noise = new Uint8Array(640 * 480).map(() => Math.floor(next() * 256));
  assert.notEqual(decode(noise, 640, 480).error, undefined);
});

test('too little contrast is refused, just enough is read', () => {
  const bits = strip(5, 5n);
  const faint = (distance: number) =>
    paint(bits, 640, 480).map((value) => (value === WHITE ? 100 + distance : value === BLACK ? 100 : value));
  assert.deepEqual(decode(faint(59), 640, 480), { error: 'contrast' });
  assert.equal(decode(faint(60), 640, 480).error, undefined);
});

test('impossible sizes are refused', () => {
  assert.deepEqual(decode(new Uint8Array(0), 0, 0), { error: 'size' });
  assert.deepEqual(decode(new Uint8Array(79 * 40), 79, 40), { error: 'size' });
  assert.deepEqual(decode(new Uint8Array(640 * 40), 640, 40), { error: 'size' });
  assert.deepEqual(decode(new Uint8Array(100), 640, 480), { error: 'size' });
  assert.deepEqual(decodeRgba({ data: new Uint8ClampedArray(4), width: 640, height: 480 }), { error: 'size' });
});
