import { useEffect, useRef, useState } from 'preact/hooks';
import { bitrate } from '../format.ts';
import { Player, type Picture } from '../player/player.ts';
import type { PlayerState } from '../player/machine.ts';
import { words, type Words } from '../player/words.ts';
import type { Camera } from '../rpc/types.ts';
import { WhepHttp } from '../whep/http.ts';
import { advice, exactFps } from '../box/cameras.ts';
import { Mark } from './Mark.tsx';
import { useNow } from './now.ts';

const NO_LIST: Words = { word: 'Connecting', sentence: 'Asking the box for its cameras.', tone: 'busy' };
const NO_CAMERA: Words = { word: 'No camera', sentence: 'The box has no camera yet.', tone: 'busy' };

interface Props {
  token: string;
  camera: Camera | null;
  /** The list of cameras is known, so "none" means none. */
  listed: boolean;
  onForget: () => void;
}

export function Stage({ token, camera, listed, onForget }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const { player, state, picture } = usePlayer(video, token);
  const device = camera?.device;
  const connected = camera?.status === 'CONNECTED';
  const play = () => {
    if (player && camera) player.play(camera.device, exactFps(camera));
  };

  // Only another camera starts anew; news about this one must not disturb the picture.
  useEffect(() => {
    if (device) play();
    else player?.stop();
  }, [player, device]);

  useEffect(() => {
    if (connected) player?.wake();
  }, [player, connected]);

  useEffect(() => {
    const wake = () => player?.wake();
    const leave = () => player?.stop();
    const back = (event: PageTransitionEvent) => {
      if (event.persisted) play();
    };
    window.addEventListener('online', wake);
    window.addEventListener('pagehide', leave);
    window.addEventListener('pageshow', back);
    return () => {
      window.removeEventListener('online', wake);
      window.removeEventListener('pagehide', leave);
      window.removeEventListener('pageshow', back);
    };
  }, [player, device]);

  const said = words(state, useNow(state.kind === 'reconnecting'));
  const shown = camera ? said : listed ? NO_CAMERA : NO_LIST;

  useEffect(() => {
    const what = camera ? `${camera.name || camera.device} · ` : '';
    document.title = `${state.kind === 'live' ? what : `${shown.word.replace(/ in .*/, '')} · ${what}`}camera-service`;
  }, [camera?.name, camera?.device, state.kind, shown.word]);

  return (
    <section class="picture" aria-label="Live picture">
      <div class="frame" ref={frame} data-state={state.kind}>
        <video
          ref={video}
          muted
          autoplay
          playsInline
          aria-label={camera ? `Live picture of ${camera.name || camera.device}` : 'Live picture'}
        />
        {shown.sentence && (
          <div class="veil">
            {shown.tone === 'busy' && shown !== NO_CAMERA && <span class="spinner" aria-hidden="true" />}
            <p class="word">{shown.word}</p>
            <p>{(state.kind === 'waiting' && camera && advice(camera)?.reason) || shown.sentence}</p>
            {state.kind === 'refused' && (
              <p class="buttons">
                <button type="button" onClick={play}>
                  Try again
                </button>
                <button type="button" onClick={onForget}>
                  Change token
                </button>
              </p>
            )}
          </div>
        )}
      </div>
      <div class="caption">
        <p class={`badge ${shown.tone}`} data-player={state.kind}>
          <Mark tone={shown.tone} />
          {shown.word}
        </p>
        {picture && state.kind === 'live' && <Figures picture={picture} />}
        <FullscreenButton target={frame} />
      </div>
      {/* Spoken once per change; the visible words count down, which nobody wants read out. */}
      <p class="unseen" role="status">
        {shown.word.replace(/ in .*/, '')}. {shown.sentence}
      </p>
    </section>
  );
}

function Figures({ picture }: { picture: Picture }) {
  const { rates, width, height } = picture;
  return (
    <dl class="figures">
      {rates && (
        <div>
          <dt>Decoded</dt>
          <dd>{rates.framesPerSecond.toFixed(rates.framesPerSecond < 9.5 ? 1 : 0)} frames/s</dd>
        </div>
      )}
      {width > 0 && (
        <div class="extra">
          <dt>Picture</dt>
          <dd>
            {width} × {height}
          </dd>
        </div>
      )}
      {rates && (
        <div class="extra">
          <dt>Received</dt>
          <dd>{bitrate(rates.bitsPerSecond)}</dd>
        </div>
      )}
    </dl>
  );
}

function FullscreenButton({ target }: { target: { current: HTMLElement | null } }) {
  // Phones that only allow the video itself to fill the screen have no use for it.
  if (!document.fullscreenEnabled) return null;
  return (
    <button
      type="button"
      class="quiet"
      onClick={() => void (document.fullscreenElement ? document.exitFullscreen() : target.current?.requestFullscreen())}
    >
      Full screen
    </button>
  );
}

interface Playing {
  player: Player | null;
  state: PlayerState;
  picture: Picture | null;
}

function usePlayer(video: { current: HTMLVideoElement | null }, token: string): Playing {
  const [playing, setPlaying] = useState<Playing>({ player: null, state: { kind: 'idle' }, picture: null });
  useEffect(() => {
    if (!video.current) return;
    const http = new WhepHttp((input, init) => fetch(input, init), token, location.origin);
    const player = new Player(video.current, http);
    const read = () => setPlaying({ player, state: player.state.value, picture: player.picture.value });
    const ends = [player.state.subscribe(read), player.picture.subscribe(read)];
    read();
    return () => {
      for (const end of ends) end();
      player.stop();
    };
  }, [token]);
  return playing;
}
