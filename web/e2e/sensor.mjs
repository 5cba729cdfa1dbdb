/**
 * A sensor that stands in for a real one: the test camera has no controls, so
 * questions about them are answered here and never reach the box. All else does.
 */

const RULED = 'exposure_time_absolute';

function sensor() {
  const common = { inactive: false, read_only: false };
  const brightness = { type: 'integer', min: -64, max: 64, step: 1, value: 0, default: 0 };
  const exposure = { type: 'integer', min: 3, max: 2047, step: 1, value: 250, default: 250, inactive: true };
  const menu = [
    { value: 1, name: 'Manual Mode' },
    { value: 3, name: 'Aperture Priority Mode' },
  ];
  return [
    { ...common, name: 'brightness', label: 'Brightness', ...brightness },
    { ...common, name: 'contrast', label: 'Contrast (always refused)', ...brightness },
    { ...common, name: 'horizontal_flip', label: 'Horizontal Flip', type: 'boolean', value: false, default: false },
    { ...common, name: 'auto_exposure', label: 'Auto Exposure', type: 'menu', menu, value: 3, default: 3 },
    { ...common, name: RULED, label: 'Exposure Time, Absolute', ...exposure },
    { ...common, name: 'wide', label: 'Integer 64 Bits', type: 'integer', min: -(2 ** 63), max: 2 ** 63, step: 1, value: 7, default: 0 },
    { ...common, name: 'reset', label: 'Reset', type: 'button', value: null, default: null },
  ];
}

/** Puts the sensor between page and box; gives what it was told to set. Before the page is opened. */
export async function standInSensor(context) {
  const controls = sensor();
  const told = [];
  const set = (name, wish) => {
    const control = controls.find((one) => one.name === name);
    told.push([name, wish]);
    if (name === 'contrast') return null;
    // As a driver that moves every value to an even number.
    if (control.type === 'integer' && wish !== null) control.value = wish - (wish % 2);
    else if (control.type !== 'button') control.value = wish ?? control.default;
    controls.find((one) => one.name === RULED).inactive = controls.find((one) => one.name === 'auto_exposure').value !== 1;
    return control;
  };
  await context.routeWebSocket(/\/ws$/, (page) => {
    const box = page.connectToServer();
    page.onMessage((text) => {
      const { id, method, params } = JSON.parse(text);
      const answer = (body) => page.send(JSON.stringify({ jsonrpc: '2.0', id, ...body }));
      if (method === 'get_camera_controls') return answer({ result: { device: params.device, controls } });
      if (method !== 'set_camera_controls') return box.send(text);
      const [[name, wish]] = Object.entries(params.controls);
      const now = set(name, wish);
      if (now) return answer({ result: { device: params.device, controls: [now] } });
      const data = { details: `the driver refused to set ${name}`, suggestion: 'try another value' };
      answer({ error: { code: -32602, message: 'Invalid parameters', data } });
    });
  });
  return told;
}
