/** What of the audit log tells of a change. Pure. */

import type { AuditEntry } from '../rpc/types.ts';

/** A question that was answered: it changed nothing, and there are many of them. */
export function isLook({ method, result }: Pick<AuditEntry, 'method' | 'result'>): boolean {
  return result === 'ok' && /^(get|list)_/.test(method);
}
