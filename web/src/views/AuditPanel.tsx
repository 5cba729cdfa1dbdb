import { useEffect, useState } from 'preact/hooks';
import { isLook } from '../box/audit.ts';
import type { Box } from '../box/box.ts';
import { moment } from '../format.ts';
import type { AuditEntry } from '../rpc/types.ts';
import { AUDIT_RESULT } from '../words.ts';
import { useAttempts } from './attempt.ts';
import { Mark } from './Mark.tsx';
import { Note } from './Note.tsx';

const AT_ONCE = 100;

/** For administrators: who logged in, claimed or changed what. */
export function AuditPanel({ box }: { box: Box }) {
  const [entries, setEntries] = useState<readonly AuditEntry[]>([]);
  const [total, setTotal] = useState(0);
  const [all, setAll] = useState(false);
  const { trouble, busy, attempt } = useAttempts();
  const more = (known: readonly AuditEntry[]) =>
    attempt(async () => {
      const log = await box.ask('get_audit_log', { limit: AT_ONCE, offset: known.length });
      setEntries([...known, ...log.entries]);
      setTotal(log.total);
    });
  useEffect(() => void more([]), []);
  const shown = all ? entries : entries.filter((entry) => !isLook(entry));
  return (
    <section class="panel audit" aria-label="Audit log">
      <div class="title">
        <h2>Audit log</h2>
        <button type="button" disabled={busy} onClick={() => void more([])}>
          Renew
        </button>
      </div>
      <Note trouble={trouble} />
      <div class="row">
        <label for="audit-all">Also who only looked</label>
        <input id="audit-all" type="checkbox" checked={all} onChange={(e) => setAll(e.currentTarget.checked)} />
      </div>
      <ul>
        {shown.map((entry, i) => (
          <li key={`${entry.time}${i}`}>
            <p>
              <Mark tone={entry.result === 'ok' ? 'good' : 'warn'} /> <b>{entry.who || 'unknown'}</b> {entry.method}
              {entry.target && ` ${entry.target}`}
            </p>
            <p class="small">
              {moment(entry.time)} · {entry.from ?? 'on the box'} · {AUDIT_RESULT[entry.result] ?? `refused: ${entry.reason ?? entry.result}`}
            </p>
          </li>
        ))}
      </ul>
      {shown.length === 0 && !busy && <p class="small">Nothing yet.</p>}
      {entries.length < total && (
        <button type="button" disabled={busy} onClick={() => void more(entries)}>
          Show more
        </button>
      )}
    </section>
  );
}
