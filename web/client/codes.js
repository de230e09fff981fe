// What the protocol's numbers mean for a client: come back, ask for a new token, or give up.
// Source: docs of the Centrifuge client protocol, "Codes".

/** Error in a reply: the token has expired; a new one may be tried at once. */
export const TOKEN_EXPIRED = 109;
/** Close code: the token is not valid here. */
export const INVALID_TOKEN = 3500;
/** Close code of an ending that the user asked for. */
export const NORMAL_CLOSE = 1000;

const MESSAGE_TOO_LARGE = 1009;

/** Whether a close code means that reconnecting is of no use. */
export function isTerminalClose(code) {
  return (
    code === MESSAGE_TOO_LARGE || (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999)
  );
}

/** Whether the server ended a subscription in such a way that it may be made again. */
export function mayResubscribe(unsubscribeCode) {
  return unsubscribeCode >= 2500;
}

/**
 * Why a command has no result.
 *
 * `kind` is whose fault it is: `refused` (the server answered with an error), `timeout` (no answer in time, so
 * nobody knows whether it was carried out) or `lost` (the connection went away, same uncertainty).
 */
export class CommandError extends Error {
  constructor(kind, { code = 0, message = kind, temporary = false } = {}) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.temporary = temporary;
  }

  /** Whether the same command may succeed later. */
  get mayRetry() {
    return this.kind !== 'refused' || this.temporary || this.code < 100;
  }
}
