/**
 * What Chromium shows of a camera in a guest: `node e2e/guest.mjs ADDRESS FRAMES` prints one line of JSON with the frames
 * decoded and the mean colour of each of vivid's eight bars, twice, a second apart. Started by hw-tests/tests/test_route.py.
 */

import { openPage, startBrowser } from './browser.mjs';

const [address, frames] = process.argv.slice(2);

/** Eight means, and a digest of the corner where vivid counts. */
const look = (page) =>
  page.evaluate(() => {
    const video = document.querySelector('video');
    const { videoWidth: width, videoHeight: height } = video;
    const canvas = new OffscreenCanvas(width, height);
    const drawing = canvas.getContext('2d', { willReadFrequently: true });
    drawing.drawImage(video, 0, 0);
    const bars = Array.from({ length: 8 }, (_, bar) => {
      const left = Math.round(((bar + 0.25) * width) / 8);
      const { data } = drawing.getImageData(left, Math.round(height * 0.6), Math.round(width / 16), 8);
      const sums = [0, 0, 0];
      for (let i = 0; i < data.length; i++) if (i % 4 < 3) sums[i % 4] += data[i];
      return sums.map((sum) => sum / (data.length / 4));
    });
    const { data } = drawing.getImageData(16, 16, 200, 16);
    let digest = 0;
    for (const value of data) digest = (digest * 31 + value) | 0;
    return { width, height, bars, digest, frames: video.getVideoPlaybackQuality().totalVideoFrames };
  });

const browser = await startBrowser();
try {
  const { page, complaints } = await openPage(browser.context, address);
  await page.waitForFunction(
    (wanted) => (document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0) >= wanted,
    Number(frames),
    { timeout: 60_000, polling: 100 },
  );
  const first = await look(page);
  await page.waitForTimeout(1000);
  const second = await look(page);
  const player = await page.locator('[data-player]').first().getAttribute('data-player');
  console.log(JSON.stringify({ first, second, player, complaints }));
} finally {
  await browser.stop();
}
