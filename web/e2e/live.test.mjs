/** The page, the product and a real browser, from the link to the pixels. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { waitForFrames, waitForTimecode } from './picture.mjs';
import { startProduct } from './product.mjs';

const PICTURE_LIMIT_MS = 30_000;

let product;
let browser;

before(async () => {
  product = await startProduct();
  browser = await startBrowser();
});

after(async () => {
  await browser?.stop();
  await product?.stop();
});

test('the link shows a live picture', { timeout: 90_000 }, async () => {
  const { page, complaints } = await openPage(browser.context, product.page_with_token);
  await waitForFrames(page, 50, PICTURE_LIMIT_MS);
  await page.locator('[data-player=live]').waitFor({ timeout: 5000 });

  const first = await waitForTimecode(page, () => true, 10_000);
  const second = await waitForTimecode(page, ({ now }) => now - first.now >= 1000, 10_000);

  for (const { now, capturedAtMs } of [first, second]) {
    const latency = now - capturedAtMs;
    assert.ok(latency > 0 && latency < 5000, `latency ${latency} ms`);
  }
  // The counter must go the way the clock in the same pictures went: at 1 to 120 frames/s.
  const frames = second.counter - first.counter;
  const seconds = (second.capturedAtMs - first.capturedAtMs) / 1000;
  assert.ok(seconds > 0 && frames >= seconds && frames <= seconds * 120 + 1, `${frames} frames in ${seconds} s`);

  assert.equal(await page.locator('.panel .title .status').innerText(), 'CONNECTED');
  assert.ok(!(await page.evaluate(() => location.href)).includes('token='), 'the token is still in the address bar');
  if (process.env.E2E_SCREENSHOT) await page.screenshot({ path: process.env.E2E_SCREENSHOT });
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a wrong token leads to the form, with a sentence', { timeout: 30_000 }, async () => {
  const { page, complaints } = await openPage(browser.context, `${product.page}#token=not.a.token`);
  const sentence = page.getByRole('alert');
  await sentence.waitFor({ timeout: 10_000 });
  assert.match(await sentence.innerText(), /does not accept this token/);

  // The right one, typed into the form, leads on.
  await page.getByLabel('Token').fill(product.tokens.viewer);
  await page.getByRole('button', { name: 'Show the cameras' }).click();
  await page.locator('.panel .title .status').waitFor({ timeout: 10_000 });
  // The browser itself logs refused requests; the page must not have tried any.
  assert.deepEqual(complaints, []);
  await page.close();
});

test('an operator changes the bit rate while the picture runs; a viewer is not offered to', { timeout: 90_000 }, async () => {
  const { page, complaints } = await openPage(browser.context, `${product.page}#token=${product.tokens.operator}`);
  await page.locator('[data-player=live]').waitFor({ timeout: PICTURE_LIMIT_MS });
  const settings = page.getByRole('region', { name: 'Camera settings' });
  const slider = settings.getByLabel('Bit rate', { exact: true });
  await slider.waitFor({ timeout: 10_000 });
  const before = await settings.locator('output').innerText();
  const { now, counter } = await waitForTimecode(page, () => true, 10_000);

  await slider.press('ArrowLeft');
  const news = settings.getByRole('status');
  await news.getByText('Applied without a pause.').waitFor({ timeout: 10_000 });
  assert.notEqual(await settings.locator('output').innerText(), before);
  // The same picture went on: its counter did not begin anew.
  const later = await waitForTimecode(page, (seen) => seen.now - now >= 2000, 10_000);
  assert.ok(later.counter > counter, `${later.counter} after ${counter}`);
  // The box has kept it.
  await page.reload();
  await slider.waitFor({ timeout: 10_000 });
  assert.notEqual(await settings.locator('output').innerText(), before);
  assert.deepEqual(complaints, []);
  await page.close();

  const { page: viewers } = await openPage(browser.context, `${product.page}#token=${product.tokens.viewer}`);
  await viewers.locator('.panel .title .status').waitFor({ timeout: 10_000 });
  assert.equal(await viewers.getByRole('region', { name: 'Camera settings' }).count(), 0);
  await viewers.close();
});

for (const [where, fragment] of [
  ['the settings', () => `#token=${product.tokens.operator}`],
  ['the picture', () => `#token=${product.tokens.viewer}`],
  ['the form', () => ''],
]) {
  test(`at 320 px ${where} does not scroll sideways`, { timeout: 30_000 }, async () => {
    const { page } = await openPage(browser.context, product.page + fragment(), { width: 320, height: 640 });
    const awaited = where === 'the settings' ? '.settings .rows' : '.panel .title .status, form';
    await page.locator(awaited).first().waitFor({ timeout: 10_000 });
    const { scrolled, shown } = await page.evaluate(() => ({
      scrolled: document.documentElement.scrollWidth,
      shown: document.documentElement.clientWidth,
    }));
    assert.ok(scrolled <= shown, `${scrolled} px wide on ${shown} px`);
    await page.close();
  });
}
