import { useEffect, useRef, useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import type { Advice } from '../box/cameras.ts';
import { movesOthers, renew } from '../box/controls.ts';
import { explain } from '../box/explain.ts';
import type { Camera, CameraCapabilities, CameraControl, ControlValue, Video, VideoChange } from '../rpc/types.ts';
import { ControlRow } from './ControlRow.tsx';
import { VideoRows } from './VideoRows.tsx';

interface Known {
  video: Video;
  offered: Pick<CameraCapabilities, 'resolutions' | 'fps_options'>;
  controls: readonly CameraControl[];
}

/** For operators: the picture's size, rate and bit rate, and what the sensor offers, applied at once. */
export function SettingsPanel({ box, camera }: { box: Box; camera: Camera }) {
  const { device } = camera;
  const [known, setKnown] = useState<Known | null>(null);
  const [trouble, setTrouble] = useState<Advice | null>(null);
  const [news, setNews] = useState('');
  // Of two answers on their way, the older one must not win.
  const asked = useRef(0);

  const load = async () => {
    const turn = ++asked.current;
    try {
      const [video, offered, { controls }] = await Promise.all([
        box.ask('get_video', { device }),
        box.ask('get_camera_capabilities', { device }),
        box.ask('get_camera_controls', { device }),
      ]);
      if (turn === asked.current) setKnown({ video, offered, controls });
    } catch (error) {
      if (turn === asked.current) setTrouble(explain(error));
    }
  };

  // A camera that came back, or was changed by somebody else, is asked anew.
  useEffect(() => {
    setTrouble(null);
    void load();
  }, [device, camera.status, camera.resolution, camera.fps]);

  const attempt = async (act: () => Promise<string>) => {
    try {
      setNews(await act());
      setTrouble(null);
    } catch (error) {
      setNews('');
      setTrouble(explain(error));
    }
  };

  const setVideo = (change: VideoChange) =>
    attempt(async () => {
      const video = await box.ask('set_video', { device, ...change });
      asked.current++;
      setKnown((now) => now && { ...now, video });
      return video.seamless ? 'Applied without a pause.' : 'Applied; the picture paused for a moment.';
    });

  const setControl = (control: CameraControl, value: ControlValue) =>
    attempt(async () => {
      const set = await box.ask('set_camera_controls', { device, controls: { [control.name]: value } });
      asked.current++;
      setKnown((now) => now && { ...now, controls: renew(now.controls, set.controls) });
      if (movesOthers(control)) void load();
      return `${control.label}: applied.`;
    });

  return (
    <section class="panel settings" aria-label="Camera settings">
      <h2>Camera settings</h2>
      {trouble && (
        <div class="note bad" role="alert">
          <p>{trouble.reason}</p>
          <p>
            <b>What to do:</b> {trouble.action}
          </p>
          {!known && (
            <button type="button" onClick={() => void attempt(async () => (await load(), ''))}>
              Try again
            </button>
          )}
        </div>
      )}
      {known && <VideoRows video={known.video} offered={known.offered} onChange={setVideo} />}
      <p class="small news" role="status">
        {news}
      </p>
      {known && known.controls.length > 0 && (
        <details>
          <summary>Sensor</summary>
          <div class="rows">
            {known.controls.map((control) => (
              <ControlRow key={control.name} control={control} onSet={(value) => setControl(control, value)} />
            ))}
          </div>
        </details>
      )}
      {!known && !trouble && <p class="small">Asking the camera …</p>}
    </section>
  );
}
