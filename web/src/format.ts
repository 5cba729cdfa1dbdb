/** Numbers as people read them. */

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) {
    count /= 1000;
    unit++;
  }
  return `${threeDigits(count, unit)} ${units[unit]}`;
}

export function bitrate(bitsPerSecond: number): string {
  const units = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'];
  let unit = 0;
  while (bitsPerSecond >= 999.5 && unit < units.length - 1) {
    bitsPerSecond /= 1000;
    unit++;
  }
  return `${threeDigits(bitsPerSecond, unit)} ${units[unit]}`;
}

function threeDigits(value: number, unit: number): string {
  return value.toFixed(unit > 0 && value < 9.95 ? 1 : 0);
}

/** The two largest units: more would be noise on a page that is glanced at. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const days = Math.floor(s / 86400);
  const hours = Math.floor((s % 86400) / 3600);
  const minutes = Math.floor((s % 3600) / 60);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${s % 60} s`;
  return `${s} s`;
}

/** A rate such as 29.97, without a tail of zeros. */
export function rate(perSecond: number): string {
  return String(Math.round(perSecond * 100) / 100);
}

export function resolution(text: string): string {
  return text.replace(/^(\d+)x(\d+)$/, '$1 × $2');
}

/** Seconds until `at`, never 0: "in 0 s" reads like a fault. */
export function secondsUntil(at: number, now: number): number {
  return Math.max(1, Math.ceil((at - now) / 1000));
}

/** A moment of the box's clock as this device writes times, to the second. */
export function moment(rfc3339: string): string {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return rfc3339;
  return at.toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });
}

/** A moment as the browser's own field for dates and times wants it: this device's time, to the second. */
export function local(millis: number): string {
  const at = new Date(millis);
  return new Date(millis - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** What such a field says, as RFC 3339; what is no moment stays as it is, for the box to refuse. */
export function instant(field: string): string {
  const at = new Date(field);
  return Number.isNaN(at.getTime()) ? field : at.toISOString();
}
