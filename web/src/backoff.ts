/** How long to wait before trying again. One rule for everything that reconnects. */

const FIRST_MS = 250;
const LONGEST_MS = 4000;

/**
 * Milliseconds before try number `attempt` (0 is the first repeat). Up to a
 * fifth is taken off at random, so that the viewers of a box that restarted do
 * not all come back in the same instant.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const step = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(step * (1 - 0.2 * random()));
}
