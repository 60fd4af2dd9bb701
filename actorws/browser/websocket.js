// WebSocketWire: a session over a WebSocket. PlainWebSocketWire: a WebSocket of a server that has no sessions.
// The contract of wires stands in link.js.

import { Silence } from "./timing.js";

const SUBPROTOCOL = "actorws.v1";
/** Begins control messages; a text that begins so itself gets one more. */
const ESCAPE = "\0";
/** Leaves the wire, and the session as it is. */
const DETACH = 4000;
/** How long a server that is asked at once, because the page has reason to doubt, may take. */
const URGENT_ANSWER = 5_000;

/** A session. */
export class WebSocketWire {
  kind = "websocket";
  asked = false;
  position = 0;

  #link;
  #session;
  #options;
  #socket = null;
  #plain; // whether the server has no sessions
  #cursor = 0; // the number of the last message that was sent here
  #silence = null;
  #answer; // a timer

  constructor(link, target, session, options, plain = false) {
    this.#link = link;
    this.#session = session;
    this.#options = options;
    this.#plain = plain;
    this.url = target.websocket(session.id);
  }

  open() {
    try {
      const { subprotocols } = this.#options;
      this.#socket = new WebSocket(this.url, this.#plain ? subprotocols : [SUBPROTOCOL, ...subprotocols]);
    } catch (error) {
      return this.#link.lost(this, { code: 1006, reason: String(error) }); // the page's policy forbids it, say
    }
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#opened();
    this.#socket.onmessage = ({ data }) => this.#heard(data);
    this.#socket.onclose = ({ code, reason }) => this.#link.lost(this, { code, reason });
  }

  /** Bytes that the browser hasn't sent, where nobody else counts them. */
  get backlog() {
    return this.#plain ? this.#socket.bufferedAmount : 0;
  }

  begin(received) {
    this.#cursor = received;
  }

  flush() {
    const { outbox } = this.#session;
    for (let data; (data = outbox.get(this.#cursor + 1)) !== undefined; ) {
      const escape = !this.#plain && typeof data === "string" && data.startsWith(ESCAPE);
      this.#socket.send(escape ? ESCAPE + data : data);
      outbox.hand(++this.#cursor);
      if (this.#plain) outbox.acknowledge(this.#cursor); // nobody ever will
    }
  }

  acknowledge(received) {
    if (!this.#plain) this.#control({ ack: received });
  }

  check() {
    if (!this.#plain) this.#ping(Math.min(URGENT_ANSWER, this.#options.answerTimeout));
  }

  async pause() {}

  resume() {}

  end(code, reason) {
    this.#leave(code, reason);
  }

  drop() {
    this.#leave(DETACH, "");
  }

  async #opened() {
    const { protocol } = this.#socket;
    if (protocol !== SUBPROTOCOL) {
      this.#plain = true;
      return this.#link.greeted(this, { plain: true, session: null, lost: "plain", subprotocol: protocol });
    }
    this.#watch();
    const { id, received } = await this.#link.hello(this);
    // Messages wait for the greeting even in a new session: before it there is no id to resume with, and if this wire
    // were lost nobody could say what became of them.
    this.#control(id === null ? { new: true } : { resume: id, received });
  }

  #heard(data) {
    this.#silence?.heard();
    clearTimeout(this.#answer);
    this.#answer = undefined;
    if (this.#plain || typeof data !== "string" || !data.startsWith(ESCAPE)) this.#link.arrived(this, data);
    else if (data.startsWith(ESCAPE, 1)) this.#link.arrived(this, data.slice(1));
    else this.#heardControl(data.slice(1));
  }

  #heardControl(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.#link.lost(this, { code: 1006, reason: "a control message that isn't JSON" });
    }
    this.#link.control(this, message);
  }

  #watch() {
    this.#silence = new Silence(this.#options.silence, () => {
      this.#ping(this.#options.answerTimeout);
      this.#watch();
    });
  }

  /** Browsers can't send pings of WebSocket, nor see those of the server. */
  #ping(limit) {
    if (this.#answer !== undefined) return;
    this.#control({ ping: Math.round(performance.now()) });
    this.#answer = setTimeout(() => this.#link.lost(this, { code: 1006, reason: "the server is silent" }), limit);
  }

  #control(value) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(ESCAPE + JSON.stringify(value));
  }

  #leave(code, reason) {
    this.#silence?.stop();
    clearTimeout(this.#answer);
    if (this.#socket === null) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(code, reason);
  }
}

/** A WebSocket and nothing else. */
export class PlainWebSocketWire extends WebSocketWire {
  constructor(link, target, session, options) {
    super(link, target, session, options, true);
  }
}
