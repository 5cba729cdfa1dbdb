import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import { advice, exactFps } from '../box/cameras.ts';
import { bytes, duration, rate, resolution } from '../format.ts';
import type { Camera, CameraCapabilities, CameraMetrics } from '../rpc/types.ts';
import { Addresses } from './Addresses.tsx';
import { StatusWord } from './StatusWord.tsx';

interface Props {
  box: Box;
  camera: Camera;
  metrics: CameraMetrics | null;
  /** A stream of somebody else: the box does not know what its camera can do. */
  external: boolean;
  /** The box is not heard now: what is shown was true when it was. */
  stale: boolean;
}

export function CameraPanel({ box, camera, metrics, external, stale }: Props) {
  const wrong = advice(camera);
  const fps = exactFps(camera);
  return (
    <section class="panel" aria-label="Camera">
      <div class="title">
        <h1>{camera.name || camera.device}</h1>
        {stale ? <span class="status busy">LAST KNOWN: {camera.status}</span> : <StatusWord status={camera.status} />}
      </div>
      {wrong && (
        <div class={`note ${camera.status === 'DISCONNECTED' ? 'warn' : 'bad'}`} role="status">
          <p>{wrong.reason}</p>
          <p>
            <b>What to do:</b> {wrong.action}
          </p>
        </div>
      )}
      <dl class="facts">
        <Fact name="Id">{camera.device}</Fact>
        {camera.resolution && <Fact name="Resolution">{resolution(camera.resolution)}</Fact>}
        {fps > 0 && <Fact name="Frame rate">{rate(fps)} fps</Fact>}
        {camera.extensions?.route && <Fact name="Encoder">{camera.extensions.route}</Fact>}
        {metrics && (
          <>
            <Fact name="Viewers">{metrics.readers}</Fact>
            <Fact name="Running for">{duration(metrics.uptime)}</Fact>
            <Fact name="Sent">{bytes(metrics.bytes_sent)}</Fact>
          </>
        )}
      </dl>
      {camera.streams && <Addresses box={box} device={camera.device} streams={camera.streams} />}
      {!external && <Capabilities box={box} device={camera.device} />}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Asked for when opened: a camera may have to be probed for it. */
function Capabilities({ box, device }: { box: Box; device: string }) {
  const [answer, setAnswer] = useState<CameraCapabilities | string>('Asking the camera …');
  const ask = async () => {
    try {
      setAnswer(await box.capabilities(device));
    } catch (error) {
      setAnswer(`No answer: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return (
    <details
      onToggle={(event) => {
        if (event.currentTarget.open) void ask();
      }}
    >
      <summary>What this camera can do</summary>
      {typeof answer === 'string' ? (
        <p class="small">{answer}</p>
      ) : (
        <dl class="facts">
          <Fact name="Formats">{answer.formats.join(', ') || '–'}</Fact>
          <Fact name="Resolutions">{answer.resolutions.map(resolution).join(', ') || '–'}</Fact>
          <Fact name="Frame rates">{answer.fps_options.map(rate).join(', ') || '–'}</Fact>
        </dl>
      )}
    </details>
  );
}
