/** Stands in for a browser's WebSocket: keeps what was sent, and is told what the server does. */
export class FakeSocket {
  sent = [];
  closedWith = null;

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closedWith = code;
  }

  opens() {
    this.onopen();
  }

  /** One frame with these replies in it. */
  receives(...replies) {
    this.onmessage({ data: replies.map((reply) => JSON.stringify(reply)).join('\n') });
  }

  dies(code, reason = '') {
    this.onclose({ code, reason });
  }

  /** The newest command with this member, e.g. `connect`. */
  last(member) {
    return this.sent.findLast((command) => member in command);
  }
}
