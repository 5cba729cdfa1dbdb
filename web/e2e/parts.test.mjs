/** What operators, administrators and technicians do on the page, with the product behind it. */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openPage } from './browser.mjs';
import { browser, product } from './stage.mjs';

const PHONE = { width: 390, height: 844 };
const SOON = { timeout: 10_000 };

const open = (token, size = PHONE) => openPage(browser.context, `${product.page}#token=${token}`, size);
const tab = (page, name) => page.getByRole('tab', { name }).click();
const shot = async (page, name) => {
  if (process.env.E2E_SCREENSHOT) await page.screenshot({ path: `${process.env.E2E_SCREENSHOT}.${name}.png`, fullPage: true });
};

async function staysWithin(page, what) {
  const { scrolled, shown } = await page.evaluate(() => ({
    scrolled: document.documentElement.scrollWidth,
    shown: document.documentElement.clientWidth,
  }));
  assert.ok(scrolled <= shown, `${what}: ${scrolled} px wide on ${shown} px`);
}

test('an operator records, watches, downloads and deletes; and keeps a picture', { timeout: 40_000 }, async () => {
  const { page, complaints } = await open(product.tokens.operator);
  const bar = page.getByRole('region', { name: 'Recording', exact: true });
  await bar.getByRole('button', { name: 'Record' }).click();
  const stop = bar.getByRole('button', { name: 'Stop recording' });
  await stop.waitFor(SOON);
  await tab(page, 'Files');
  const files = page.getByRole('region', { name: 'Recordings' });
  await files.getByText('recording now').waitFor(SOON);

  await stop.click();
  await bar.getByText(/It is under Files/).waitFor(SOON);
  await files.getByText('recording now').waitFor({ ...SOON, state: 'detached' });
  const row = files.locator('[data-file]').first();
  const name = await row.getAttribute('data-file');

  await row.getByRole('button', { name: `Play ${name}` }).click();
  await page.waitForFunction(() => (document.querySelector('.files video')?.videoWidth ?? 0) > 0, null, SOON);
  const [download] = await Promise.all([
    page.waitForEvent('download', SOON),
    row.getByRole('button', { name: `Download ${name}` }).click(),
  ]);
  assert.equal(download.suggestedFilename(), `${name}.mp4`);
  const bytes = await readFile(await download.path());
  assert.equal(bytes.toString('latin1', 4, 8), 'ftyp');
  await shot(page, 'files');

  await row.getByRole('button', { name: `Delete ${name}` }).click();
  assert.equal(await files.locator('[data-file]').count(), 1, 'the first press only asks');
  await row.getByRole('button', { name: `Really delete ${name}?` }).click();
  await files.getByText(`${name} is deleted.`).waitFor(SOON);
  await files.getByText('None yet.').waitFor(SOON);

  await bar.getByRole('button', { name: 'Snapshot' }).click();
  const pictures = page.getByRole('region', { name: 'Snapshots' });
  await pictures.getByRole('button', { name: /^Show / }).click(SOON);
  await page.waitForFunction(() => (document.querySelector('.files img')?.naturalWidth ?? 0) > 0, null, SOON);

  await tab(page, 'Events');
  await page.getByText(/^The recording .* ended after/).waitFor(SOON);
  await page.getByText(/^The snapshot .* was taken/).waitFor(SOON);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a time is played over two recordings, to its end, and from any place', { timeout: 60_000 }, async () => {
  const { page, complaints } = await open(product.tokens.operator);
  const bar = page.getByRole('region', { name: 'Recording', exact: true });
  const from = new Date();
  for (const pause of [1500, 0]) {
    await bar.getByRole('button', { name: 'Record' }).click();
    const stop = bar.getByRole('button', { name: 'Stop recording' });
    await stop.waitFor(SOON);
    await page.waitForTimeout(2000);
    await stop.click();
    await bar.getByText(/It is under Files/).waitFor(SOON);
    await page.waitForTimeout(pause);
  }
  await tab(page, 'Files');
  const time = page.getByRole('region', { name: 'A time' });
  const field = (at) => new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  await time.getByLabel('From').fill(field(from));
  await time.getByRole('button', { name: 'Play' }).click();
  await time.getByText(/of 2 recordings · nothing was recorded in between once/).waitFor(SOON);
  const video = time.locator('video');
  const state = () =>
    video.evaluate(({ currentTime, duration, ended, error, videoWidth, seekable }) => ({
      currentTime,
      duration,
      ended,
      error: error?.message,
      videoWidth,
      seekable: seekable.length && seekable.end(0),
    }));
  const reaches = async (what, so) => {
    for (let now = Date.now(); !so(await state()); await page.waitForTimeout(50)) {
      assert.ok(Date.now() - now < 20_000, `${what}: ${JSON.stringify(await state())}`);
    }
  };
  await reaches('the end', ({ ended }) => ended);
  const end = await state();
  assert.ok(end.duration > 5 && end.duration < 30 && end.videoWidth > 0, JSON.stringify(end));
  assert.ok(Math.abs(end.seekable - end.duration) < 0.1 && !end.error, JSON.stringify(end));

  // Into the second recording, back into the first, and on over the hole.
  for (const at of [end.duration - 1, 0.5]) {
    await video.evaluate((element, to) => void (element.currentTime = to), at);
    await reaches(`a picture at ${at}`, ({ currentTime }) => Math.abs(currentTime - at) < 0.3);
    await video.evaluate((element) => new Promise((shown) => (element.requestVideoFrameCallback(shown), void element.play())));
  }
  await video.evaluate((element) => void (element.playbackRate = 4));
  await reaches('the end again', ({ ended }) => ended);
  assert.equal((await state()).error, undefined);
  await shot(page, 'time');
  await staysWithin(page, 'a time');

  await time.getByLabel('To').fill('2001-01-01T00:00:00');
  await time.getByRole('button', { name: 'Play' }).click();
  await time.getByRole('alert').waitFor(SOON);
  const files = page.getByRole('region', { name: 'Recordings' });
  for (let left = await files.locator('[data-file]').count(); left > 0; left--) {
    const name = await files.locator('[data-file]').first().getAttribute('data-file');
    await files.getByRole('button', { name: `Delete ${name}` }).click();
    await files.getByRole('button', { name: `Really delete ${name}?` }).click();
    await files.getByText(`${name} is deleted.`).waitFor(SOON);
  }
  assert.deepEqual(complaints, []);
  await page.close();
});

test('an API key is shown once, opens the page, and ends it when it is revoked', { timeout: 40_000 }, async () => {
  const { page, complaints } = await open(product.tokens.admin);
  await tab(page, 'Access');
  const keys = page.getByRole('region', { name: 'API keys' });
  await keys.getByLabel('What it is for').fill('gate recorder');
  await keys.getByRole('button', { name: 'Make a key' }).click();
  const key = await keys.locator('[data-fresh-key]').innerText(SOON);
  assert.match(key, /^csk_/);
  await shot(page, 'access');
  await keys.getByRole('button', { name: 'I have it' }).click();
  assert.ok(!(await page.content()).includes(key));

  const { page: theirs } = await open(key);
  await theirs.locator('[data-player=live]').waitFor({ timeout: 20_000 });
  assert.equal(await theirs.getByRole('tab', { name: 'Access' }).count(), 0, 'a viewer gives no credentials');
  assert.equal(await theirs.getByRole('button', { name: 'Record' }).count(), 0, 'nor records');

  await keys.getByRole('button', { name: 'Revoke gate recorder' }).click();
  await keys.getByRole('button', { name: 'Really revoke gate recorder?' }).click();
  await theirs.getByRole('alert').getByText(/was revoked/).waitFor(SOON);
  await theirs.close();

  const log = page.getByRole('region', { name: 'Audit log' });
  await log.getByRole('button', { name: 'Renew' }).click();
  await log.getByText('revoke_api_key').first().waitFor(SOON);
  assert.equal(await log.getByText('list_api_keys').count(), 0);
  await log.getByLabel('Also who only looked').check();
  await log.getByText('list_api_keys').first().waitFor(SOON);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("somebody else's stream is added, watched and removed; an address for players works without a login", { timeout: 40_000 }, async () => {
  const { page, complaints } = await open(product.tokens.operator);
  await page.getByRole('button', { name: 'Make an address for VLC' }).click();
  // The box's own camera stands in for a network camera.
  const address = (await page.locator('.addresses code').getByText('?token=').innerText(SOON)).trim();
  assert.match(address, /^rtsp:\/\/.*\/camera0\?token=/);

  const streams = page.getByRole('region', { name: 'External streams' });
  await streams.getByText('Add a stream').click();
  await streams.getByRole('button', { name: 'Search the network' }).click();
  await streams.getByRole('alert').getByText(/switched off in the configuration/).waitFor(SOON);

  await streams.getByLabel('Address').fill(address);
  await streams.getByLabel(/^Name/).fill('Front Door');
  await streams.getByRole('button', { name: 'Add', exact: true }).click();
  const row = streams.locator('[data-stream=front-door]');
  await row.waitFor(SOON);
  assert.ok(!(await streams.innerText()).includes(address.split('token=')[1]), 'what opens the source is not shown again');
  await row.getByText(/^comes in/).waitFor({ timeout: 20_000 });
  await row.getByRole('button', { name: 'Watch front-door' }).click();
  await page.getByLabel('Live picture of front-door').waitFor(SOON);
  await page.locator('[data-player=live]').waitFor({ timeout: 20_000 });
  await shot(page, 'stream');

  await row.getByRole('button', { name: 'Remove front-door' }).click();
  await row.getByRole('button', { name: 'Really remove front-door?' }).click();
  await page.getByLabel('Live picture of Test camera').waitFor(SOON);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('every part fits a narrow phone and is reached by keys', { timeout: 40_000 }, async () => {
  const { page, complaints } = await open(product.tokens.admin, { width: 320, height: 640 });
  await page.getByRole('tab', { name: 'Access' }).waitFor(SOON);
  await page.getByRole('tab', { name: 'Camera' }).focus();
  for (const name of ['Camera', 'Files', 'Events', 'Box', 'Access']) {
    const here = page.getByRole('tab', { name });
    assert.equal(await here.getAttribute('aria-selected'), 'true', name);
    assert.ok(await here.evaluate((element) => element === document.activeElement), name);
    await page.getByRole('tabpanel', { name }).getByRole('region').first().waitFor(SOON);
    await staysWithin(page, name);
    await page.keyboard.press('ArrowRight');
  }
  await tab(page, 'Files');
  await page.getByText('What is deleted by itself').click();
  const limit = page.getByLabel('Files older than … days');
  await limit.fill('30');
  await page.getByRole('button', { name: 'Keep this' }).click();
  await page.getByText('Kept. It acts every ten minutes.').waitFor(SOON);
  await staysWithin(page, 'the limits');
  assert.deepEqual(complaints, []);
  await page.close();
});

/** The product's own child, the media server. */
async function mediaServer() {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const parent = Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent === product.pid) return Number(pid);
  }
  throw new Error('the product has no child');
}

test('what is wrong comes first, with what to do, and goes when it is mended; then the box is gone', { timeout: 60_000 }, async () => {
  const { page } = await open(product.tokens.viewer);
  await page.locator('[data-player=live]').waitFor({ timeout: 20_000 });
  const wrong = page.getByRole('region', { name: 'What is wrong' });
  assert.equal(await wrong.count(), 0);

  const server = await mediaServer();
  process.kill(server, 'SIGSTOP');
  const fault = wrong.locator('[data-fault=mediamtx_unreachable]');
  await fault.waitFor({ timeout: 15_000 });
  assert.match(await fault.innerText(), /Media server\s*for \d+ s[^]*What to do: Wait some seconds/);
  await staysWithin(page, 'what is wrong');
  await shot(page, 'wrong');
  process.kill(server, 'SIGCONT');
  await wrong.waitFor({ timeout: 30_000, state: 'detached' });
  await page.locator('[data-player=live]').waitFor({ timeout: 20_000 });

  await product.stop();
  await wrong.getByText('The camera box does not answer.').waitFor({ timeout: 5000 });
  assert.match(await wrong.innerText(), /What to do: Check that it has power/);
  await page.getByText('LAST KNOWN: CONNECTED').waitFor({ timeout: 5000 });
  await shot(page, 'gone');
  await page.close();
});
