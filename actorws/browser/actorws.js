// actorws.js: a connection that outlives its wires.
//
//     import { connect } from "/_actorws/actorws.js";
//     const conn = connect("/chat");
//     conn.onmessage = (data) => show(data);
//     conn.send("hello");
//
// Messages arrive once each and in order, both ways, over any number of WebSockets, event streams and polls. Where that
// can't be kept, because the server has lost the session, `onlost` says so, and what may not have been handled.
//
// This file is what a page sees. Beside it, each with one concern:
//   options.js    what connect() may be told
//   link.js       which wire is used: reconnecting, falling back, coming back
//   session.js    what was sent and received: counts and acknowledgements
//   websocket.js, http.js   the wires
//   coding.js     the forms in which messages travel over HTTP
//   timing.js     pauses and silence

import { Link } from "./link.js";
import { checkOptions, targetOf } from "./options.js";
import { Session } from "./session.js";

/** Bytes of a reason for closing, which have to fit into a close frame (RFC 6455 section 5.5). */
const MAX_REASON = 123;
const utf8 = new TextEncoder();

/**
 * Connect to a behaviour at `url`, and stay connected until one of the two sides closes.
 *
 * @param {string | URL} url relative to the page, or with one of the schemes ws, wss, http, https
 * @param {import("./actorws").Options} [options]
 * @returns {Connection} at once; its handlers are called later, never before this has returned
 * @throws {TypeError | RangeError | SyntaxError} for arguments that can't be used
 */
export function connect(url, options = {}) {
  return new Connection(targetOf(url), checkOptions(options));
}

/** What `connect` returns. Handlers that throw are reported as uncaught errors are, and change nothing here. */
export class Connection {
  /** Called with each message: a string or an ArrayBuffer. */
  onmessage = null;
  /** Called with the state and details when either has changed. */
  onstate = null;
  /** Called when the session is gone and a new one has begun. What is sent from in here goes before what has waited. */
  onlost = null;

  #state = "connecting";
  #session;
  #link;
  #page = new AbortController(); // its signal removes the listeners

  /** Use `connect`. */
  constructor(target, options) {
    this.#session = new Session(options.maxMessages, options.maxBytes);
    this.#link = new Link(target, this.#session, options, {
      message: (data) => this.#call(this.onmessage, data),
      state: (state, detail) => this.#changed(state, detail),
      lost: (loss) => this.#call(this.onlost, loss),
    });
    this.#listenToPage();
    queueMicrotask(() => this.#link.start()); // whoever called has set the handlers by then
  }

  /** "connecting", "open", "reconnecting", "offline" or "closed". */
  get state() {
    return this.#state;
  }

  /** What carries messages now: "websocket", "sse" or "poll"; null while nothing does. */
  get transport() {
    return this.#link.transport;
  }

  /** The subprotocol of the application that the server has chosen, or "". */
  get subprotocol() {
    return this.#session.subprotocol;
  }

  /** Messages that were accepted by `send` and that the server has not acknowledged. */
  get buffered() {
    return this.#session.outbox.size;
  }

  /**
   * Send a message, now or as soon as there is a wire.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} data what it holds now is sent, whatever is done with it later
   * @returns {boolean} whether it was accepted: not when closed, and not when too much waits already
   * @throws {TypeError} for anything else; of a Blob, send `await blob.arrayBuffer()`
   */
  send(data) {
    const message = copyOf(data);
    if (this.#state === "closed") return false;
    const size = typeof message === "string" ? utf8.encode(message).length : message.byteLength;
    if (!this.#session.outbox.add(message, size, this.#link.backlog)) return false;
    this.#link.flush();
    return true;
  }

  /**
   * End the session, and do not come back. What was sent before goes first, if there is a wire. Again: nothing.
   *
   * @param {number} [code] 1000, or 3000 to 4999. With 3000 to 4499 the actor stays for the time that lost wires have
   * @param {string} [reason] at most 123 bytes
   * @throws {RangeError} for others
   */
  close(code = 1000, reason = "") {
    if (code !== 1000 && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) {
      throw new RangeError(`code must be 1000 or 3000 to 4999, not ${code}`);
    }
    const text = String(reason);
    if (utf8.encode(text).length > MAX_REASON) throw new RangeError(`reason must have at most ${MAX_REASON} bytes`);
    this.#link.close(code, text);
  }

  #changed(state, detail) {
    this.#state = state;
    if (state === "closed") this.#page.abort();
    this.#call(this.onstate, state, detail);
  }

  #call(handler, ...values) {
    try {
      handler?.call(this, ...values);
    } catch (error) {
      reportError(error);
    }
  }

  /** The page knows things that no timer does: that the network is back, that somebody looks at it again. */
  #listenToPage() {
    const on = (target, type, listener) => target.addEventListener(type, listener, { signal: this.#page.signal });
    on(window, "online", () => this.#link.hurry());
    on(window, "offline", () => this.#link.hurry());
    on(document, "visibilitychange", () => document.hidden || this.#link.hurry());
    // A page that is kept for the Back button leaves its wire and takes it up again. One that isn't will never be
    // back, and nobody else knows the session: it ends, so that nobody waits for it.
    on(window, "pagehide", ({ persisted }) => (persisted ? this.#link.suspend() : this.close()));
    on(window, "pageshow", ({ persisted }) => persisted && this.#link.wake());
  }
}

/** @returns {string | ArrayBuffer} `data` as it is now, in the form in which it is kept. */
function copyOf(data) {
  if (typeof data === "string") return data.toWellFormed(); // as a WebSocket does it: half a surrogate pair isn't text
  if (data instanceof ArrayBuffer) return data.slice(0);
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).buffer;
  }
  const what = data === null ? "null" : (data?.constructor?.name ?? typeof data);
  throw new TypeError(`data must be a string, an ArrayBuffer or a view of one, not ${what}`);
}
