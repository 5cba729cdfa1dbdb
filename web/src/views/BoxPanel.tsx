import { useEffect, useState } from 'preact/hooks';
import type { Box, Model } from '../box/box.ts';
import { duration, moment } from '../format.ts';
import type { Configuration } from '../rpc/types.ts';
import { PART } from '../words.ts';
import { useAttempts } from './attempt.ts';
import { Mark } from './Mark.tsx';
import { Note } from './Note.tsx';

const TONE = { healthy: 'good', degraded: 'warn', unhealthy: 'bad' } as const;

/** How each part of the box is; for administrators, what holds of the configuration. */
export function BoxPanel({ box, model }: { box: Box; model: Model }) {
  const { health } = model;
  return (
    <>
      <section class="panel" aria-label="The box">
        <h2>The box</h2>
        {'parts' in health ? (
          <>
            <ul class="parts">
              {health.parts.map(({ name, word, message }) => (
                <li key={name}>
                  <Mark tone={TONE[word]} />
                  <div>
                    <p>
                      <b>{PART[name] ?? name}</b> <span class={TONE[word]}>{word}</span>
                    </p>
                    <p class="small">{message}</p>
                  </div>
                </li>
              ))}
            </ul>
            <p class="small">
              Version {health.version} · running for {duration(health.uptime)}
            </p>
          </>
        ) : (
          <p class="small">The box has not said how it is.</p>
        )}
      </section>
      {model.role === 'admin' && <ConfigurationPanel box={box} />}
    </>
  );
}

function ConfigurationPanel({ box }: { box: Box }) {
  const [known, setKnown] = useState<Configuration | null>(null);
  const { trouble, news, busy, attempt } = useAttempts();
  const load = async () => setKnown(await box.ask('get_configuration', undefined));
  useEffect(() => void attempt(load), []);
  const reload = () =>
    attempt(async () => {
      try {
        const { applied, troubles } = await box.ask('reload_configuration', undefined);
        await load();
        const changed = applied.length ? `Acts now: ${applied.join(', ')}.` : 'Nothing in it has changed.';
        return [changed, ...troubles].join(' ');
      } catch (error) {
        const now = await box.ask('get_configuration', undefined);
        setKnown(now);
        // Its mistakes are shown one by one; the refusal itself would say them once more.
        if (!now.refused) throw error;
        return 'It has mistakes still.';
      }
    });
  return (
    <section class="panel" aria-label="Configuration">
      <h2>Configuration</h2>
      <Note trouble={trouble} />
      {known && (
        <>
          <dl class="facts">
            <div>
              <dt>File</dt>
              <dd>{known.file ?? 'none'}</dd>
            </div>
            <div>
              <dt>Read</dt>
              <dd>{moment(known.read_at)}</dd>
            </div>
          </dl>
          {known.refused && (
            <div class="note warn" data-refused>
              <p>The file as it is now has mistakes; what held before still holds.</p>
              <ul>
                {known.refused.mistakes.map(({ place, what }) => (
                  <li key={place + what}>
                    <b>{place}</b>: {what}
                  </li>
                ))}
              </ul>
              <p>
                <b>What to do:</b> Mend the file. It is read again by itself.
              </p>
            </div>
          )}
          {known.waiting.length > 0 && (
            <div class="note plain">
              <p>These wait until the service is restarted:</p>
              <ul>
                {known.waiting.map(({ key, now, after_restart }) => (
                  <li key={key}>
                    <code>{key}</code>: {JSON.stringify(now)} → {JSON.stringify(after_restart)}
                  </li>
                ))}
              </ul>
            </div>
          )}
        </>
      )}
      <div class="buttons">
        <button type="button" disabled={busy} onClick={() => void reload()}>
          Read the file again
        </button>
      </div>
      <p class="small" role="status">
        {news}
      </p>
    </section>
  );
}
