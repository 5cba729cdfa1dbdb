import type { CameraStatus } from '../rpc/types.ts';
import { Mark, type Tone } from './Mark.tsx';

const TONES: Record<CameraStatus, Tone> = { CONNECTED: 'good', DISCONNECTED: 'warn', ERROR: 'bad' };

/** The server's own word, so that it can be searched for in logs and documents. */
export function StatusWord({ status }: { status: CameraStatus }) {
  const tone = TONES[status] ?? 'none';
  return (
    <span class={`status ${tone}`} data-status={status}>
      <Mark tone={tone} />
      {status}
    </span>
  );
}
