/** Starts the product as a user would: one command, ports picked by the kernel. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

const BINARY = process.env.CAMERA_SERVICE_BIN ?? resolve(import.meta.dirname, '../../target/debug/camera-service');

/** From start to the first picture, on a slow and busy machine. */
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;

const ANY_PORT = Object.fromEntries(
  [
    'SERVER_PORT',
    'HTTP_HEALTH_PORT',
    'MEDIAMTX_RTSP_PORT',
    'MEDIAMTX_API_PORT',
    'MEDIAMTX_HLS_PORT',
    'MEDIAMTX_WEBRTC_PORT',
    'MEDIAMTX_WEBRTC_UDP_PORT',
  ].map((key) => [`CAMERA_SERVICE_${key}`, '0']),
);

/** Resolves to what the product says about itself, and a way to end it. */
export async function startProduct() {
  const child = spawn(BINARY, ['demo', '--json'], {
    env: { ...process.env, ...ANY_PORT },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Kept for the moment something fails; read all along, so that a full pipe never stops the product.
  const log = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line);
    if (log.length > 200) log.shift();
  });
  const ended = new Promise((done) => {
    child.once('error', (error) => done(String(error)));
    child.once('exit', (code, signal) => done(`code ${code}, signal ${signal}`));
  });

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill('SIGINT');
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(hard);
  };

  const lines = createInterface({ input: child.stdout });
  const limit = AbortSignal.timeout(START_LIMIT_MS);
  try {
    const [line] = await Promise.race([
      once(lines, 'line', { signal: limit }),
      ended.then((how) => Promise.reject(new Error(`it ended: ${how}`))),
    ]);
    lines.resume();
    return { ...JSON.parse(line), stop };
  } catch (error) {
    await stop();
    throw new Error(`${BINARY} demo --json gave no page: ${error.message}\n${log.join('\n')}`);
  }
}
