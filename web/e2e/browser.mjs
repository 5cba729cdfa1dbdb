/** A real browser with a profile that is thrown away. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  // Lets the picture flow on a machine that has no network but itself.
  '--allow-loopback-in-peer-connection',
];

export async function startBrowser() {
  const profile = await mkdtemp(join(tmpdir(), 'camera-web-e2e-'));
  const remove = () => rm(profile, { recursive: true, force: true, maxRetries: 5 });
  try {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ARGS,
      viewport: { width: 1280, height: 800 },
    });
    const stop = async () => {
      await context.close();
      await remove();
    };
    return { context, stop };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A page, and everything it complained about. */
export async function openPage(context, address, viewport) {
  const page = await context.newPage();
  if (viewport) await page.setViewportSize(viewport);
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.exposeFunction('cspViolated', (what) => complaints.push(`CSP: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      globalThis.cspViolated(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  await page.goto(address);
  return { page, complaints };
}
