import { useEffect, useState } from 'preact/hooks';

export function TokenForm({ refusal, onToken }: { refusal: string; onToken: (token: string) => void }) {
  const [text, setText] = useState('');
  const token = text.replace(/\s+/g, '');
  useEffect(() => {
    document.title = 'Paste a token · camera-service';
  }, []);
  return (
    <main class="door">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (token) onToken(token);
        }}
      >
        <h1>Paste a token</h1>
        {refusal && (
          <p class="note bad" role="alert">
            {refusal}
          </p>
        )}
        <p id="how">
          The cameras are shown to those who hold a token. On the camera box, this prints one:
        </p>
        <pre>
          <code>camera-service token --role viewer</code>
        </pre>
        <label for="token">Token</label>
        {/* Several lines: a token wraps in most terminals, and is copied with the breaks. */}
        <textarea
          id="token"
          name="token"
          rows={4}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          aria-describedby="how"
          aria-invalid={refusal ? true : undefined}
          autofocus
          required
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey) return;
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }}
        />
        <button type="submit" class="main">
          Show the cameras
        </button>
        <p class="small">The token is kept in this tab only, until it is closed.</p>
      </form>
    </main>
  );
}
