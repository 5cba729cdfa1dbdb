/**
 * The part of the address behind `#`: it never leaves the browser, which is
 * why a link may carry a token there.
 */

export interface Fragment {
  token: string | null;
  camera: string | null;
}

export function parseFragment(hash: string): Fragment {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  return {
    token: fields.get('token')?.trim() || null,
    camera: fields.get('camera')?.trim() || null,
  };
}

/** What stays in the address bar: the camera, so that a reload keeps it; never the token. */
export function visibleFragment(camera: string | null): string {
  return camera ? `#${new URLSearchParams({ camera })}` : '';
}
