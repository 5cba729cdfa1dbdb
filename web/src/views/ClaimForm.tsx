import { useEffect, useState } from 'preact/hooks';
import { claim } from '../box/claim.ts';

export function ClaimForm({ onToken, onOver }: { onToken: (token: string) => void; onOver: (why: string) => void }) {
  const [code, setCode] = useState('');
  const [refusal, setRefusal] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = 'Make this box yours · camera-service';
  }, []);

  async function send(): Promise<void> {
    if (busy || !code.trim()) return;
    setBusy(true);
    const claimed = await claim(code);
    setBusy(false);
    if ('token' in claimed) onToken(claimed.token);
    else if (claimed.over) onOver(claimed.refusal);
    else setRefusal(claimed.refusal);
  }

  return (
    <main class="door">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <h1>Make this box yours</h1>
        {refusal && (
          <p class="note bad" role="alert">
            {refusal}
          </p>
        )}
        <p id="how">Nobody owns this camera box yet. Its console and its log show a code; so does this, on the box:</p>
        <pre>
          <code>camera-service claim-code</code>
        </pre>
        <label for="code">Code</label>
        <textarea
          id="code"
          name="code"
          rows={1}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="characters"
          aria-describedby="how"
          aria-invalid={refusal ? true : undefined}
          autofocus
          required
          value={code}
          onInput={(event) => setCode(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter') return;
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }}
        />
        <button type="submit" class="main" disabled={busy}>
          Claim it
        </button>
        <p class="small">You get an administrator's token for a day, kept in this tab only. Make yourself a lasting key under Access before you close it.</p>
      </form>
    </main>
  );
}
