import { duration, moment } from '../format.ts';
import type { Fault, Health } from '../box/health.ts';
import { PART, UNREACHABLE } from '../words.ts';
import { Mark } from './Mark.tsx';
import { useNow } from './now.ts';

/** What is wrong with the box and what to do about it, before anything else on the page. */
export function Trouble({ health }: { health: Health }) {
  const lost = health.word === 'unreachable';
  const now = useNow(lost);
  const faults = lost ? [unreachable((now - health.since) / 1000)] : 'faults' in health ? health.faults : [];
  const notes = 'notes' in health ? health.notes : [];
  return (
    <>
      {/* Spoken once for each change: the visible causes count seconds, which nobody wants read out. */}
      <p class="unseen" role="status">
        {faults.map((fault) => `${name(fault)}: ${fault.code.replace(/_/g, ' ')}.`).join(' ')}
      </p>
      {faults.length + notes.length > 0 && (
        <section class="troubles" aria-label={faults.length ? 'What is wrong' : 'Good to know'}>
          {faults.length > 0 && <h2>What is wrong, and what to do</h2>}
          <ul>
            {faults.map((fault) => (
              <li key={fault.code + fault.about} class={`note ${fault.bad ? 'bad' : 'warn'}`} data-fault={fault.code}>
                <p class="what">
                  <Mark tone={fault.bad ? 'bad' : 'warn'} />
                  <b>{name(fault)}</b>
                  {fault.seconds !== null && <span class="since">for {duration(fault.seconds)}</span>}
                </p>
                <p>{fault.cause}</p>
                <p>
                  <b>What to do:</b> {fault.action}
                </p>
              </li>
            ))}
            {notes.map((note) => (
              <li key={note} class="note plain">
                <p>{note.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, moment)}</p>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function unreachable(seconds: number): Fault {
  const { reason: cause, action } = UNREACHABLE;
  return { code: 'box_unreachable', about: 'box', cause, action, bad: true, seconds };
}

function name({ about }: Fault): string {
  return about === 'box' ? 'The box' : (PART[about] ?? about);
}
