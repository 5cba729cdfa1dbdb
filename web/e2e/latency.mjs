/** Measures capture to pixels in a real browser; prints one line of JSON. Part of `make bench`. */

import { openPage, startBrowser } from './browser.mjs';
import { readTimecode, waitForFrames } from './picture.mjs';
import { startProduct } from './product.mjs';

const FRAMES = Number(process.env.FRAMES ?? 150);

const product = await startProduct();
const browser = await startBrowser();
try {
  const { page } = await openPage(browser.context, product.page_with_token);
  await waitForFrames(page, 60, 30_000);
  const latencies = [];
  for (let tries = 0; latencies.length < FRAMES && tries < FRAMES * 3; tries++) {
    // Read right after a frame was presented, so that the wait for the next one is not counted.
    await page.evaluate(() => new Promise((next) => document.querySelector('video').requestVideoFrameCallback(next)));
    const read = await readTimecode(page);
    if (read.error === undefined) latencies.push(read.now - read.capturedAtMs);
  }
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  console.log(JSON.stringify({ frames: latencies.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) }));
} finally {
  await browser.stop();
  await product.stop();
}
