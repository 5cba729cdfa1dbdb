/** The page, the product and a real browser, from the link to the pixels. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { waitForFrames, waitForTimecode } from './picture.mjs';
import { browser, product } from './stage.mjs';
import { standInSensor } from './sensor.mjs';

const PICTURE_LIMIT_MS = 30_000;

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

test("the sensor's controls show what the driver made of a wish, and why it refused one", { timeout: 60_000 }, async () => {
  // Its own browser: what stands in for the sensor must not meet the other tests.
  const other = await startBrowser();
  try {
    const told = await standInSensor(other.context);
    const address = `${product.page}#token=${product.tokens.operator}`;
    const { page, complaints } = await openPage(other.context, address, { width: 375, height: 812 });
    const settings = page.getByRole('region', { name: 'Camera settings' });
    await settings.getByText('Sensor', { exact: true }).click();

    const brightness = settings.getByLabel('Brightness', { exact: true });
    await brightness.fill('31');
    await settings.locator('output[for=control-brightness]').getByText('30', { exact: true }).waitFor({ timeout: 5000 });
    assert.deepEqual(told.at(-1), ['brightness', 31]);
    await settings.getByRole('button', { name: 'Brightness: back to default' }).click();
    await settings.locator('output[for=control-brightness]').getByText('0', { exact: true }).waitFor({ timeout: 5000 });
    assert.deepEqual(told.at(-1), ['brightness', null]);

    await settings.getByRole('switch', { name: 'Horizontal Flip' }).check();
    await settings.getByText('Horizontal Flip: applied.').waitFor({ timeout: 5000 });

    // The automatic mode locks a slider; the manual one frees it.
    assert.ok(await settings.getByLabel(/^Exposure Time, Absolute/).isDisabled());
    await settings.getByLabel('Auto Exposure').selectOption('Manual Mode');
    await settings.getByLabel('Exposure Time, Absolute', { exact: true }).waitFor({ timeout: 5000 });
    assert.ok(await settings.getByLabel('Exposure Time, Absolute', { exact: true }).isEnabled());

    await settings.getByLabel('Contrast (always refused)').fill('5');
    const alert = settings.getByRole('alert');
    await alert.waitFor({ timeout: 5000 });
    assert.match(await alert.innerText(), /The driver refused to set contrast\.[^]*What to do: Try another value\./);
    // Not the wish that was refused: what the driver has.
    await settings.locator('output[for=control-contrast]').getByText('0', { exact: true }).waitFor({ timeout: 5000 });

    const { scrolled, shown } = await page.evaluate(() => ({
      scrolled: document.documentElement.scrollWidth,
      shown: document.documentElement.clientWidth,
    }));
    assert.ok(scrolled <= shown, `${scrolled} px wide on ${shown} px`);
    if (process.env.E2E_SCREENSHOT) await page.screenshot({ path: `${process.env.E2E_SCREENSHOT}.sensor.png`, fullPage: true });
    assert.deepEqual(complaints, []);
  } finally {
    await other.stop();
  }
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
