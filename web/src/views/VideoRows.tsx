import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { bitrateStops, choices } from '../box/controls.ts';
import { Latest } from '../box/latest.ts';
import { bitrate, rate, resolution } from '../format.ts';
import type { CameraCapabilities, Video, VideoChange } from '../rpc/types.ts';

interface Props {
  video: Video;
  offered: Pick<CameraCapabilities, 'resolutions' | 'fps_options'>;
  onChange: (change: VideoChange) => Promise<void>;
}

export function VideoRows({ video, offered, onChange }: Props) {
  return (
    <div class="rows">
      {video.bitrate_kbps !== null && (
        <BitrateRow now={video.bitrate_kbps} onChange={(bitrate_kbps) => onChange({ bitrate_kbps })} />
      )}
      <ChoiceRow
        label="Resolution"
        now={video.resolution}
        options={choices(offered.resolutions, video.resolution).map((size) => [size, resolution(size)])}
        onChange={(size) => onChange({ resolution: size })}
      />
      <ChoiceRow
        label="Frame rate"
        now={String(video.fps)}
        options={choices(offered.fps_options, video.fps).map((fps) => [String(fps), `${rate(fps)} fps`])}
        onChange={(fps) => onChange({ fps: Number(fps) })}
      />
    </div>
  );
}

function BitrateRow({ now, onChange }: { now: number; onChange: (kbps: number) => Promise<void> }) {
  const [draft, setDraft] = useState<number | null>(null);
  const send = useRef(onChange);
  send.current = onChange;
  const wishes = useMemo(() => new Latest<number>((kbps) => send.current(kbps), () => setDraft(null), 250), []);
  // While the slider is held, its stops must not move.
  const stops = useMemo(() => bitrateStops(now), [now]);
  const shown = draft ?? now;
  const text = bitrate(shown * 1000);
  return (
    <div class="row">
      <label for="set-bitrate">Bit rate</label>
      <output for="set-bitrate">{text}</output>
      <input
        id="set-bitrate"
        type="range"
        min={0}
        max={stops.length - 1}
        step={1}
        value={Math.max(stops.indexOf(shown), 0)}
        aria-valuetext={text}
        onInput={(event) => setDraft(stops[event.currentTarget.valueAsNumber] ?? null)}
        onChange={(event) => {
          const kbps = stops[event.currentTarget.valueAsNumber];
          if (kbps !== undefined) wishes.push(kbps);
        }}
      />
    </div>
  );
}

interface Choice {
  label: string;
  now: string;
  options: [value: string, text: string][];
  onChange: (value: string) => Promise<void>;
}

function ChoiceRow({ label, now, options, onChange }: Choice) {
  const id = `set-${label.toLowerCase().replace(/\W+/g, '-')}`;
  const [wish, setWish] = useState<string | null>(null);
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  const choose = async (value: string) => {
    setWish(value);
    await onChange(value);
    if (alive.current) setWish(null);
  };
  return (
    <div class="row">
      <label for={id}>{label}</label>
      <select id={id} value={wish ?? now} disabled={wish !== null} onChange={(e) => void choose(e.currentTarget.value)}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
