/** What a failed call means: the cause and what to do about it. Pure. */

import { LinkError, RpcError } from '../rpc/errors.ts';
import { DEPENDENCY, REFUSAL } from '../words.ts';
import type { Advice } from './cameras.ts';
import { sentence } from './sentence.ts';

export function explain(error: unknown): Advice {
  if (error instanceof RpcError) {
    const dependency = error.data['dependency'];
    const ours = REFUSAL[error.reason ?? ''] ?? (typeof dependency === 'string' ? DEPENDENCY[dependency] : undefined);
    return {
      reason: ours?.reason ?? sentence(error.details ?? error.message),
      action: ours?.action ?? sentence(error.suggestion ?? 'try again'),
    };
  }
  return {
    reason: sentence(error instanceof LinkError ? error.message : String(error)),
    action: 'Try again when the box is connected.',
  };
}
