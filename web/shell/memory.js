// What the page remembers. Browsers may refuse storage (private windows, full disk); the page then works without.

const PREFIX = 'naru:';

function read(storage, key) {
  try {
    return JSON.parse(storage().getItem(PREFIX + key));
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    if (value === null) storage().removeItem(PREFIX + key);
    else storage().setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Forgetting is the worst that happens.
  }
}

const forever = () => localStorage;
const thisTab = () => sessionStorage;

/** Kept in this browser, for all windows of this server. Null if never set; writing null forgets. */
export const readSetting = (key) => read(forever, key);
export const writeSetting = (key, value) => write(forever, key, value);

/** Kept in this tab over reloads, so that two tabs can be two people. */
export const readTab = (key) => read(thisTab, key);
export const writeTab = (key, value) => write(thisTab, key, value);

/** The id of this browser as a device of `user`: made once, so that a reload resumes at the same cursor. */
export function deviceOf(user) {
  const key = `device:${user}`;
  let device = readSetting(key);
  if (!device) {
    device = newId();
    writeSetting(key, device);
  }
  return device;
}

/** A random id (UUID), also on plain-http pages, where `crypto.randomUUID` is missing. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
