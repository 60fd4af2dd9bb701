/** Types of actorws.js. Copy this file beside your own, or map "/_actorws/actorws.js" to it in `paths`. */

/** What a message of the page may be. What it holds when it is sent is sent, whatever is done with it later. */
export type Sendable = string | ArrayBuffer | ArrayBufferView;
/** What a message is when it comes, and when it is given back. */
export type Message = string | ArrayBuffer;

export type Transport = "websocket" | "sse" | "poll";

/**
 * - `connecting`: there was no wire yet
 * - `open`: there is one
 * - `reconnecting`: it was lost; the session is kept for a while, and what is sent waits
 * - `offline`: the same, and the browser says that there is no network
 * - `closed`: for good
 */
export type State = "connecting" | "open" | "reconnecting" | "offline" | "closed";

export interface Detail {
  /** What carries messages, or is being tried; null while nothing does. */
  readonly transport: Transport | null;
  /** Attempts since there was a wire. */
  readonly attempt: number;
  /** Milliseconds until the next attempt; not there while it is under way. */
  readonly retry?: number;
  /** Of `open`: whether the session goes on (else it is a new one). */
  readonly resumed?: boolean;
  /** How the last wire has ended, or the session: a close code (1006: without one) and a reason. */
  readonly code?: number;
  readonly reason?: string;
}

export interface Loss {
  /** Such as `unknown`, `expired`, `overflow`, `elsewhere`; `plain` where the server has no sessions. */
  readonly reason: string;
  /** What was sent and may have been handled or not, oldest first. (On a plain WebSocket nobody knows: nothing.) */
  readonly unacknowledged: readonly Message[];
}

/** Times are in milliseconds. */
export interface Options {
  /** What the application speaks, best first. */
  subprotocols?: string | Iterable<string>;
  /** Best first. Default: WebSocket, then server-sent events, then polls. */
  transports?: Iterable<Transport>;
  /** For requests over HTTP; a function is asked for each. Browsers can't send any with a WebSocket. */
  headers?: HeadersInit | (() => HeadersInit);
  /** Cookies of requests over HTTP. Default: "same-origin". */
  credentials?: RequestCredentials;
  /** Messages that wait or aren't acknowledged; above it `send` returns false. Default: 10 000. */
  maxMessages?: number;
  /** Bytes of them. Default: 8 MiB. */
  maxBytes?: number;
  /** For a wire to be there; then the next transport is tried. Default: 5 000. */
  greetingTimeout?: number;
  /** Up to so long before the first attempt to come back; doubled with each failure. Default: 500. */
  firstRetry?: number;
  /** Up to so long before any attempt. Default: 10 000. */
  lastRetry?: number;
  /** After so long on a lesser transport the better ones are tried; a quarter more or less. Default: 10 000. */
  firstProbe?: number;
  /** Later less often, down to this. Default: 60 000. */
  lastProbe?: number;
  /** After so long without a sign of life the server is asked for one. Default: 20 000. */
  silence?: number;
  /** And has so long to answer before the wire is given up. Default: 10 000. */
  answerTimeout?: number;
}

/** What `connect` returns. Handlers that throw are reported as uncaught errors are, and change nothing here. */
export interface Connection {
  /** Called with each message: once each, in order. */
  onmessage: ((this: Connection, data: Message) => void) | null;
  /** Called when the state or its details have changed. */
  onstate: ((this: Connection, state: State, detail: Detail) => void) | null;
  /**
   * Called when the session is gone and a new one has begun, before its state is `open` and before its first message.
   * What is sent from in here goes before what has waited for a wire.
   */
  onlost: ((this: Connection, loss: Loss) => void) | null;

  readonly state: State;
  /** What carries messages now; null while nothing does. */
  readonly transport: Transport | null;
  /** The subprotocol of the application that the server has chosen, or "". */
  readonly subprotocol: string;
  /** Messages that were accepted by `send` and that the server has not acknowledged. */
  readonly buffered: number;

  /**
   * Send a message, now or as soon as there is a wire. Returns whether it was accepted: not when closed, and not when
   * too much waits already. Throws `TypeError` for what is no message (of a Blob, send `await blob.arrayBuffer()`).
   */
  send(data: Sendable): boolean;

  /**
   * End the session, and do not come back. What was sent before goes first, if there is a wire. Again: nothing.
   *
   * `code`: 1000, or 3000 to 4999; with 3000 to 4499 the actor stays for as long as a lost wire may be resumed.
   * `reason`: at most 123 bytes. Throws `RangeError` for others.
   */
  close(code?: number, reason?: string): void;
}

/**
 * Connect to a behaviour at `url` (relative to the page, or ws, wss, http, https), and stay connected until one of the
 * two sides closes. Returns at once; handlers are called later. Throws `TypeError`, `RangeError` or `SyntaxError` for
 * arguments that can't be used.
 */
export function connect(url: string | URL, options?: Options): Connection;
