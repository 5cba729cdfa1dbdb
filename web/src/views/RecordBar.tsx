import { useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import type { Recording } from '../box/recordings.ts';
import { duration } from '../format.ts';
import { STUCK } from '../words.ts';
import { useAttempts } from './attempt.ts';
import { Mark } from './Mark.tsx';
import { Note } from './Note.tsx';
import { useNow } from './now.ts';

const LENGTHS = [
  ['', 'until stopped'],
  ['60', 'for 1 min'],
  ['600', 'for 10 min'],
  ['3600', 'for 1 h'],
] as const;

/** Starting, stopping and joining in the middle of a recording can take some seconds. */
const PATIENCE_MS = 20_000;

/** For operators: records what the picture shows, and keeps single pictures of it. */
export function RecordBar({ box, device, running }: { box: Box; device: string; running: Recording | null }) {
  const since = running?.since ?? null;
  const [length, setLength] = useState<string>('');
  const { trouble, news, busy, attempt } = useAttempts();
  const start = () =>
    attempt(async () => {
      // A plain MP4 is what phones and editors open without questions.
      const wish = { device, format: 'mp4' as const, ...(length && { duration: Number(length) }) };
      await box.ask('start_recording', wish, PATIENCE_MS);
    });
  const stop = () =>
    attempt(async () => {
      const { filename, extensions } = await box.ask('stop_recording', { device }, PATIENCE_MS);
      const length = duration(Math.round(extensions.duration_ms / 1000));
      return `${filename}: ${length}. It is under Files.`;
    });
  const snap = () =>
    attempt(async () => {
      const { filename } = await box.ask('take_snapshot', { device }, PATIENCE_MS);
      // The news of it may come on another connection's time.
      box.fileChanged();
      return `${filename} is under Files.`;
    });
  return (
    <section class="record" aria-label="Recording">
      <div class="buttons">
        {since === null ? (
          <>
            <button type="button" disabled={busy} onClick={() => void start()}>
              <span class="dot" aria-hidden="true" /> Record
            </button>
            <select aria-label="How long" value={length} onChange={(event) => setLength(event.currentTarget.value)}>
              {LENGTHS.map(([seconds, text]) => (
                <option key={seconds} value={seconds}>
                  {text}
                </option>
              ))}
            </select>
          </>
        ) : (
          <>
            <button type="button" class="sure" disabled={busy} onClick={() => void stop()}>
              Stop recording
            </button>
            <Elapsed since={since} />
          </>
        )}
        <button type="button" disabled={busy} onClick={() => void snap()}>
          Snapshot
        </button>
      </div>
      <p class="small" role="status">
        {busy ? 'One moment …' : since !== null && !news ? <span class="unseen">Recording.</span> : news}
      </p>
      {running?.stuck && <Note trouble={STUCK} />}
      <Note trouble={trouble} />
    </section>
  );
}

function Elapsed({ since }: { since: number }) {
  const now = useNow(true);
  return (
    <span class="elapsed">
      <Mark tone="bad" />
      {duration(Math.max(0, now - since) / 1000)}
    </span>
  );
}
