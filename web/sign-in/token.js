/**
 * The user a signed token is for: its `sub`. Nothing is verified here, that is the server's part. Throws an error with
 * `problem` `badToken` or `noSubject`.
 */
export function userOf(token) {
  const claims = readClaims(token);
  if (typeof claims?.sub !== 'string' || claims.sub === '') throw problem('noSubject');
  return claims.sub;
}

function readClaims(token) {
  const parts = token.split('.');
  if (parts.length !== 3) throw problem('badToken');
  try {
    const binary = atob(parts[1].replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw problem('badToken');
  }
}

function problem(name) {
  return Object.assign(new Error(name), { problem: name });
}
