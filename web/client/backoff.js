const FIRST_MS = 500;
const LONGEST_MS = 20_000;

/**
 * Milliseconds to wait before attempt number `attempt` (0 is the first retry): random over the whole range, which
 * doubles with each attempt, so that many clients that lost one server do not return in step.
 */
export function backoffMs(attempt, random = Math.random) {
  const range = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return Math.min(LONGEST_MS, FIRST_MS + Math.floor(random() * range));
}
