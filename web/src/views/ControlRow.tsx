import { useMemo, useRef, useState } from 'preact/hooks';
import { locked, widget } from '../box/controls.ts';
import { Latest } from '../box/latest.ts';
import type { CameraControl, ControlValue } from '../rpc/types.ts';

interface Props {
  control: CameraControl;
  onSet: (value: ControlValue) => Promise<void>;
}

/** One control of the sensor. Shows the wish while it is on its way, then what the driver made of it. */
export function ControlRow({ control, onSet }: Props) {
  const [draft, setDraft] = useState<ControlValue>(null);
  const send = useRef(onSet);
  send.current = onSet;
  const wishes = useMemo(() => new Latest<ControlValue>((value) => send.current(value), () => setDraft(null)), []);
  const how = widget(control);
  if (!how) return null;
  const why = locked(control);
  const id = `control-${control.name}`;
  const wish = (value: ControlValue) => {
    setDraft(value);
    wishes.push(value);
  };
  const number = (event: { currentTarget: HTMLInputElement }) => {
    if (Number.isInteger(event.currentTarget.valueAsNumber)) wish(event.currentTarget.valueAsNumber);
  };
  const shown = draft ?? control.value;
  const common = { id, disabled: why !== null };
  return (
    <div class="row">
      <label for={id}>
        {control.label}
        {why && <span class="why"> ({why})</span>}
      </label>
      {how.kind === 'switch' && (
        <input {...common} type="checkbox" role="switch" checked={shown === true} onChange={(e) => wish(e.currentTarget.checked)} />
      )}
      {how.kind === 'slider' && (
        <>
          <output for={id}>{String(shown)}</output>
          <input {...common} type="range" min={how.min} max={how.max} step={how.step} value={Number(shown)} onInput={number} />
        </>
      )}
      {how.kind === 'number' && (
        <input {...common} type="number" inputmode="numeric" min={how.min} max={how.max} value={Number(shown)} onChange={number} />
      )}
      {how.kind === 'menu' && (
        <select {...common} value={String(shown)} onChange={(e) => wish(Number(e.currentTarget.value))}>
          {how.items.map(({ value, name }) => (
            <option key={value} value={String(value)}>
              {name}
            </option>
          ))}
        </select>
      )}
      {how.kind === 'button' && (
        <button {...common} type="button" onClick={() => wish(true)}>
          Do it
        </button>
      )}
      {!why && how.kind !== 'button' && control.value !== control.default && (
        <button
          type="button"
          class="quiet reset"
          aria-label={`${control.label}: back to default`}
          onClick={() => wishes.push(null)}
        >
          Default
        </button>
      )}
    </div>
  );
}
