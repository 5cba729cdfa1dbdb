/**
 * Reads the machine-readable strip that the built-in test camera burns into
 * its picture, so that loss and latency can be measured by anyone who can see
 * the stream.
 *
 * The strip is a grid of 40 × 3 square cells along the bottom edge, read row
 * by row from the top left. A white cell is 1, a black one 0, and the most
 * significant bit comes first:
 *
 *   8 bits   sync byte 0xCA
 *  32 bits   frame counter
 *  48 bits   capture time in units of 100 µs since the Unix epoch
 *  32 bits   CRC-32 (as zlib) of counter and time, big-endian
 */

const COLUMNS = 40;
const ROWS = 3;
const SYNC = 0xca;
const SYNC_BITS = 8;
/** Of 255. Below it black and white are too alike to be told apart safely. */
const MIN_CONTRAST = 60;
/** Pixels. In smaller cells scaling smears each cell into its neighbours. */
const MIN_CELL = 2;

/** Why a picture could not be read, in the order of the checks. */
export type TimecodeError = 'size' | 'contrast' | 'sync' | 'crc';

export type Timecode =
  | { counter: number; capturedAtMs: number; error?: never }
  | { error: TimecodeError };

/**
 * Reads the strip from a plane of luma samples, one byte each. `stride` is the
 * distance between rows in bytes. The plane may be cut at the top: only its
 * bottom edge has to be that of the picture.
 */
export function decode(
  luma: Uint8Array | Uint8ClampedArray,
  width: number,
  height: number,
  stride: number = width,
): Timecode {
  if (luma.length < stride * (height - 1) + width) return { error: 'size' };
  return read(width, height, (x, y) => luma[y * stride + x] ?? 0);
}

/** Reads the strip from canvas pixels. */
export function decodeRgba(image: {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}): Timecode {
  const { data, width, height } = image;
  if (data.length < width * height * 4) return { error: 'size' };
  return read(width, height, (x, y) => {
    const at = (y * width + x) * 4;
    return 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
  });
}

type Sample = (x: number, y: number) => number;

function read(width: number, height: number, sample: Sample): Timecode {
  const side = width / COLUMNS;
  if (!(side >= MIN_CELL) || height < ROWS * side) return { error: 'size' };
  const top = height - ROWS * side;

  const means: number[] = [];
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      means.push(centreMean(sample, column * side, top + row * side, side));
    }
  }

  // The sync byte is known, so it shows what white and black look like here.
  const ones: number[] = [];
  const zeros: number[] = [];
  for (let bit = 0; bit < SYNC_BITS; bit++) {
    const wanted = (SYNC >> (SYNC_BITS - 1 - bit)) & 1;
    (wanted ? ones : zeros).push(means[bit] ?? 0);
  }
  const white = mean(ones);
  const black = mean(zeros);
  if (white - black < MIN_CONTRAST) return { error: 'contrast' };

  const threshold = (white + black) / 2;
  const bytes = new Uint8Array((COLUMNS * ROWS) / 8);
  means.forEach((value, bit) => {
    if (value > threshold) bytes[bit >> 3]! |= 0x80 >> (bit & 7);
  });

  if (bytes[0] !== SYNC) return { error: 'sync' };
  const view = new DataView(bytes.buffer);
  if (view.getUint32(11) !== crc32(bytes.subarray(1, 11))) return { error: 'crc' };
  // 48 bits fit a double exactly; bit operators would cut them to 32.
  const ticks = view.getUint16(5) * 2 ** 32 + view.getUint32(7);
  return { counter: view.getUint32(1), capturedAtMs: ticks / 10 };
}

/** Mean of the middle half of a cell: its rim carries what scaling and coding smear over it. */
function centreMean(sample: Sample, left: number, top: number, side: number): number {
  const [x0, x1] = middle(left, side);
  const [y0, y1] = middle(top, side);
  let sum = 0;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) sum += sample(x, y);
  }
  return sum / ((x1 - x0) * (y1 - y0));
}

/** The whole pixels inside the middle half, never none. */
function middle(start: number, side: number): [from: number, to: number] {
  const from = Math.ceil(start + side / 4);
  const to = Math.floor(start + (side * 3) / 4);
  if (to > from) return [from, to];
  const centre = Math.floor(start + side / 2);
  return [centre, centre + 1];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** CRC-32 with the reflected IEEE polynomial, as zlib computes it. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
