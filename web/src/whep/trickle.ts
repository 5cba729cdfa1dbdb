/**
 * The body of a trickle request: candidates that were found after the offer had
 * been sent (RFC 8840, `application/trickle-ice-sdpfrag`).
 */

export interface OfferKeys {
  ufrag: string;
  pwd: string;
  /** Media lines of the offer, in order. */
  media: { line: string; mid: string }[];
}

export interface Candidate {
  candidate: string;
  sdpMLineIndex: number | null;
}

export function offerKeys(sdp: string): OfferKeys {
  const keys: OfferKeys = { ufrag: '', pwd: '', media: [] };
  for (const line of sdp.split(/\r?\n/)) {
    if (line.startsWith('m=')) keys.media.push({ line, mid: String(keys.media.length) });
    else if (line.startsWith('a=mid:')) {
      const last = keys.media.at(-1);
      if (last) last.mid = line.slice('a=mid:'.length);
    } else if (!keys.ufrag && line.startsWith('a=ice-ufrag:')) keys.ufrag = line.slice('a=ice-ufrag:'.length);
    else if (!keys.pwd && line.startsWith('a=ice-pwd:')) keys.pwd = line.slice('a=ice-pwd:'.length);
  }
  return keys;
}

export function trickleFragment(keys: OfferKeys, candidates: readonly Candidate[]): string {
  const lines = [`a=ice-ufrag:${keys.ufrag}`, `a=ice-pwd:${keys.pwd}`];
  keys.media.forEach((media, index) => {
    const own = candidates.filter((candidate) => (candidate.sdpMLineIndex ?? 0) === index);
    if (own.length) lines.push(media.line, `a=mid:${media.mid}`, ...own.map(({ candidate }) => `a=${candidate}`));
  });
  return lines.join('\r\n') + '\r\n';
}
