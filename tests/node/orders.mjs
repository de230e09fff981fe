// Orders come in on standard input, one JSON line each; answers and what happens otherwise go to standard output, one
// JSON line each. harness/node.py is the other side.

import { createInterface } from 'node:readline';

/** Tells something. */
export const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Carries orders out as they come, without waiting for one before the next; ends with the input. */
export function takeOrders(carryOut) {
  const lines = createInterface({ input: process.stdin });
  lines.on('close', () => process.exit(0));
  lines.on('line', async (line) => {
    const order = JSON.parse(line);
    try {
      say({ order: order.order, result: (await carryOut(order)) ?? null });
    } catch ({ code = null, message = '', temporary = false }) {
      say({ order: order.order, error: { code, message, temporary } });
    }
  });
}
