import { useEffect, useState } from 'preact/hooks';
import type { Box, Model } from '../box/box.ts';
import { copies, copiesFail } from '../box/offsite.ts';
import { moment } from '../format.ts';
import { METHOD_NOT_FOUND, RpcError } from '../rpc/errors.ts';
import type { OffsiteStatus } from '../rpc/types.ts';
import { useAttempts } from './attempt.ts';
import { Mark } from './Mark.tsx';
import { Note } from './Note.tsx';

/** For operators: how the copies at the store are. Asked for when opened, when health says something else, and by the button. */
export function OffsitePanel({ box, model }: { box: Box; model: Model }) {
  const [told, setTold] = useState<{ status: OffsiteStatus; at: string } | null>(null);
  const { trouble, busy, attempt } = useAttempts();
  const load = async () => {
    const status = await box.ask('get_offsite_status', undefined).catch(withoutStore);
    setTold({ status, at: new Date().toISOString() });
  };
  const fail = copiesFail(model.health);
  useEffect(() => {
    if (model.link.kind === 'ready') void attempt(load);
  }, [model.link.kind, fail]);

  const shown = told && copies(told.status);
  // Without a store there is nothing to tell; whether there is one must have been heard first.
  if (!shown && !(trouble && !told)) return null;
  return (
    <section class="panel" aria-label="Off-site copy">
      <h2>Off-site copy</h2>
      <Note trouble={trouble} />
      {shown && (
        <>
          <p class="standing">
            <Mark tone={shown.tone} />
            {shown.state}
          </p>
          <Note trouble={shown.trouble} tone="warn" />
          <dl class="facts">
            <Fact name="Waiting" text={shown.waiting} />
            <Fact name="Now" text={shown.now} />
            <Fact name="Last copy" text={shown.lastCopy} />
            <Fact name={shown.trouble ? 'Failed last' : 'Last trouble'} text={shown.lastTrouble} />
            <Fact name="Next attempt" text={shown.nextTry} />
            <Fact name="Store" text={shown.store} />
          </dl>
          {shown.lost && <p class="small">{shown.lost}</p>}
        </>
      )}
      <div class="buttons">
        <button
          type="button"
          disabled={busy}
          onClick={() => {
            // The rows say of each recording whether it has its copy.
            box.fileChanged();
            void attempt(load);
          }}
        >
          Look again
        </button>
        {told && <span class="small">As of {moment(told.at)}</span>}
      </div>
    </section>
  );
}

/** A box that knows no such question has no store. */
function withoutStore(error: unknown): OffsiteStatus {
  if (error instanceof RpcError && error.code === METHOD_NOT_FOUND) return { configured: false, state: 'OFF' };
  throw error;
}

function Fact({ name, text }: { name: string; text: string }) {
  return (
    text && (
      <div>
        <dt>{name}</dt>
        <dd>{text}</dd>
      </div>
    )
  );
}
