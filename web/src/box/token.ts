/**
 * Where the token lives: in this tab only. Session storage survives a reload
 * and ends with the tab, which local storage would not.
 */

const KEY = 'camera-service.token';

export function storedToken(): string | null {
  return sessionStorage.getItem(KEY);
}

export function storeToken(token: string | null): void {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

/** Why the box refused a token, as a sentence. The code is the server's `reason`. */
export function refusalSentence(reason: string | null): string {
  if (reason && /expired/i.test(reason)) return 'This token has expired. Paste a new one.';
  if (reason && /revoked/i.test(reason)) return 'This token was revoked. Paste a new one.';
  return 'The camera box does not accept this token. Check that all of it was copied, or make a new one.';
}
