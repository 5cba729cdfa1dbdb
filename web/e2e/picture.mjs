/** Reads the time code out of the picture that the page shows. */

import { decodeRgba } from '../build/src/timecode.js';

/** Waits until the decoder has given out this many frames. */
export async function waitForFrames(page, count, timeout) {
  await page.waitForFunction(
    (wanted) => (document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0) >= wanted,
    count,
    { timeout, polling: 100 },
  );
}

/** The time code of the frame that is shown now, and when "now" was. */
export async function readTimecode(page) {
  const { now, width, height, rgba } = await page.evaluate(() => {
    const video = document.querySelector('video');
    const { videoWidth: width, videoHeight } = video;
    // The strip is all that is needed: 3 cells high, a cell being 1/40 of the width.
    const height = Math.min(videoHeight, Math.ceil((width * 3) / 40) + 1);
    const canvas = new OffscreenCanvas(width, height);
    const drawing = canvas.getContext('2d', { willReadFrequently: true });
    drawing.drawImage(video, 0, videoHeight - height, width, height, 0, 0, width, height);
    const now = Date.now();
    const { data } = drawing.getImageData(0, 0, width, height);
    let text = '';
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
    return { now, width, height, rgba: btoa(text) };
  });
  return { now, ...decodeRgba({ data: new Uint8Array(Buffer.from(rgba, 'base64')), width, height }) };
}

/** Tries again until a frame can be read: the first ones after a join may be coarse. */
export async function waitForTimecode(page, accept, timeoutMs) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const read = await readTimecode(page);
    if (read.error === undefined && accept(read)) return read;
    if (Date.now() > end) throw new Error(`no such time code within ${timeoutMs} ms; the last: ${JSON.stringify(read)}`);
    await page.evaluate(() => new Promise((next) => document.querySelector('video').requestVideoFrameCallback(next)));
  }
}
