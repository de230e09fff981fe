import { backoffMs } from '../client/backoff.js';

/**
 * What this page's server says about itself: `{server, demo, peers: [{server, url}]}`. Asks until there is an answer;
 * `onSilence()` after each attempt without one.
 */
export async function describeServer(onSilence) {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch('/server.json', { cache: 'no-store' });
      if (response.ok) return await response.json();
    } catch {
      // Said below, the same as an answer that is none.
    }
    onSilence();
    await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt)));
  }
}

/** A token for `user` from the demo's sign-in. Throws an error with the server's words in `refusal`, if it said no. */
export async function demoToken(user) {
  const response = await fetch('/demo/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
  });
  const answer = await response.json();
  if (response.ok) return answer.token;
  throw Object.assign(new Error(answer.error), { refusal: answer.error });
}
