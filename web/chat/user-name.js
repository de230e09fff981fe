const BYTES_MAX = 128;

/**
 * What keeps a text from being a user name, or null: `empty`, `long` (over 128 bytes of UTF-8) or `control` (control
 * characters, or halves of characters). Everything else is a name, `:` and `<b>` included.
 */
export function userNameProblem(name) {
  if (name === '') return 'empty';
  if (new TextEncoder().encode(name).length > BYTES_MAX) return 'long';
  if (/[\p{Cc}\p{Cs}]/u.test(name)) return 'control';
  return null;
}
