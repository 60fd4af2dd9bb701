// Link: which wire a session has. Reconnects, falls back to a transport that can be had, comes back to a better one.
//
// A wire is a WebSocketWire, an EventStreamWire or a PollWire. It is given the link and tells it what happens:
//   hello(wire)            before it asks for the session: waits until the wire of now is quiet; what to say
//   greeted(wire, {...})   the server's greeting
//   arrived(wire, data), control(wire, {...}), confirmed(wire, count)
//   gone(wire, reason)     the server doesn't know the session (any more)
//   lost(wire, { code, reason })   it is over, for whatever reason; with `status` where HTTP gave one
// and has
//   kind, url, backlog     how much of what was sent waits in the browser, uncounted
//   asked                  whether it has asked for the session: the server may have given it to this wire
//   position               the number of the last message of the server that came here
//   open(), begin(received), flush(), acknowledge(count)
//   check()                the network may have changed: find out whether the wire still works
//   pause(), resume()      say nothing, while another wire asks for the session; resolves when nothing is under way
//   end(code, reason)      end the session here
//   drop()                 leave it as it is; tells nothing any more, or isn't listened to
//
// A change of wires that loses and doubles nothing: the new one asks with the count of now, the old one is used on until
// the greeting, but only to receive. What comes twice then is known by its position (Session.arrived).

import { EventStreamWire, PollWire } from "./http.js";
import { backoff, jittered, Pause } from "./timing.js";
import { PlainWebSocketWire, WebSocketWire } from "./websocket.js";

const WIRES = { websocket: WebSocketWire, sse: EventStreamWire, poll: PollWire, plain: PlainWebSocketWire };

/** Acknowledge after so many messages, bytes or milliseconds, whichever comes first. */
const ACK = { messages: 32, bytes: 64 * 1024, after: 1_000 };
/** A wire that has lasted so long was a good one: the next loss isn't a series. */
const HEALTHY = 5_000;
/** A wire that was given up may still ask the server for the session so much later, and take it from a newer one. */
const STRAY = 60_000;
/** A poll needs no stream to come through at once, only an answer: it is the last resort, and may be slow. */
const POLL_TIMEOUT = 15_000;
/** Trying an event stream in the place of polls stops them for that time, so it is short, and rare. */
const SSE_PROBE = { timeout: 2_000, every: 6 };
const SUPERSEDED = 4509;
/** Ends of a wire after which the session may be there still: the server went away, the wire broke, or a newer has it. */
const DETACHES = [1001, 1006, 1012, SUPERSEDED];
/** What a server answers where it serves nothing over HTTP (RFC 9110 section 15.5). */
const ONLY_WEBSOCKETS = [400, 404, 405, 406, 426];

export class Link {
  #target;
  #session;
  #options;
  #page; // its callbacks: message(data), state(state, detail), lost(loss)

  #wire = null; // the one that carries messages
  #pending = null; // the one that is being tried, with what waits for it: { wire, timer, settled, settle }
  #last = null; // the kind that worked last
  #openedAt = 0;
  #resumed = false;
  #strayAt = -Infinity;

  #attempt = 0; // since there was a wire
  #failures = 0; // in a row, what makes pauses long
  #why = {}; // code and reason of the last loss
  #suspended = false;
  #closed = false;
  #pause = new Pause(); // between attempts, and while there is a wire
  #probePause = new Pause();
  #probing = false;
  #ackTimer;

  constructor(target, session, options, page) {
    this.#target = target;
    this.#session = session;
    this.#options = options;
    this.#page = page;
  }

  get transport() {
    return this.#wire?.kind ?? null;
  }

  get backlog() {
    return this.#wire?.backlog ?? 0;
  }

  // What the page does

  /** Keep a wire until `close`. */
  async start() {
    while (!this.#closed) {
      if (this.#wire || this.#suspended) await this.#pause.sleep(Infinity);
      else if (this.#pending) await this.#pending.settled; // a probe: it may have taken the session already
      else await this.#connect();
    }
  }

  flush() {
    if (!this.#isChanging) this.#wire?.flush();
  }

  /** The network may be another one than before. */
  hurry() {
    if (this.#wire === null) return this.#pause.wake();
    this.#wire.check();
    this.#probePause.wake();
  }

  /** The page is put aside: leave the wire, keep the session. */
  suspend() {
    this.#suspended = true;
    if (this.#pending) this.lost(this.#pending.wire, { code: 1006, reason: "the page was put aside" });
    if (this.#wire) this.lost(this.#wire, { code: 1006, reason: "the page was put aside" });
  }

  wake() {
    this.#suspended = false;
    this.#failures = 0;
    this.#pause.wake();
  }

  close(code, reason) {
    if (this.#closed) return;
    if (this.#wire) this.#wire.end(code, reason);
    else if (this.#session.id !== null) this.#make("sse").end(code, reason); // one request may get through
    this.#finish({ code, reason });
  }

  // What wires tell

  async hello(wire) {
    await this.#wire?.pause();
    wire.asked = true;
    return this.#session.hello(wire);
  }

  greeted(wire, greeting) {
    if (wire !== this.#pending?.wire) return;
    if (greeting.plain && this.#wire) return this.lost(wire, { code: 1006, reason: "there are no sessions here" });
    let loss;
    try {
      loss = this.#session.begin(wire, greeting);
    } catch {
      return this.gone(wire, "violation");
    }
    wire.begin(this.#session.outbox.acknowledged);
    this.#wire?.drop();
    this.#wire = null;
    if (loss) this.#page.lost(loss);
    this.#session.outbox.settle();
    if (wire !== this.#pending?.wire) return; // closed by the page, in there
    this.#wire = wire;
    this.#opened(greeting);
    wire.flush();
  }

  arrived(wire, data) {
    if (wire !== this.#wire || !this.#session.arrived(wire, data)) return;
    this.#scheduleAck();
    this.#page.message(data);
  }

  control(wire, message) {
    if (message?.session !== undefined && wire === this.#pending?.wire) this.greeted(wire, message);
    else if (message?.close) this.lost(wire, { reason: "", ...message.close });
    else if (message?.ack !== undefined) this.confirmed(wire, message.ack);
  }

  confirmed(wire, count) {
    if (wire !== this.#wire || this.#session.outbox.acknowledge(count)) return;
    this.gone(wire, "violation");
  }

  gone(wire, reason) {
    if (!this.#owns(wire)) return;
    this.#session.forget(reason);
    if (this.#wire && wire !== this.#wire) this.#down({ code: 1006, reason }); // what it carries is gone, too
    this.lost(wire, { code: 1006, reason });
  }

  lost(wire, end) {
    if (!this.#owns(wire)) return;
    wire.drop();
    if (wire === this.#wire) {
      if (this.#ends(end.code, true)) return this.#finish(end);
      if (!DETACHES.includes(end.code)) this.#session.forget("ended"); // by the server, and we come back to a new one
      this.#down(end);
    } else {
      this.#why = end;
      if (wire.asked) this.#strayAt = performance.now();
      if (this.#ends(end.code, false)) return this.#finish(end);
      this.#settle(false);
      this.#wire?.resume();
      this.#scheduleAck();
    }
  }

  // Connecting

  async #connect() {
    if (this.#failures > 0) {
      const retry = Math.round(backoff(this.#failures, this.#options.firstRetry, this.#options.lastRetry));
      this.#tell(this.#absence, { retry, ...this.#why });
      await this.#pause.sleep(retry);
    }
    this.#attempt += 1;
    for (const kind of this.#order()) {
      if (this.#closed || this.#suspended) return;
      this.#tell(this.#absence, { transport: kind, ...this.#why });
      const before = this.#session.id;
      if (await this.#try(kind)) return;
      // Told that the session is gone: the same way leads to a new one, at once.
      const isGone = before !== null && this.#session.id === null;
      if (isGone && !this.#closed && !this.#suspended && (await this.#try(kind))) return;
    }
    if (this.#mayBePlain && !this.#closed && !this.#suspended && (await this.#try("plain"))) return;
    this.#failures += 1;
  }

  /** After a loss the same transport first: as a rule the network was at fault, not the transport. */
  #order() {
    return this.#attempt === 1 && this.#last !== null ? [this.#last] : this.#options.transports;
  }

  /**
   * Whether the server seems to have no sessions. A browser lets a WebSocket fail whose server chooses none of the
   * subprotocols it was offered, so it has to be tried without; twice before, because a lost wire looks the same.
   */
  get #mayBePlain() {
    const { transports } = this.#options;
    const { status } = this.#why; // none if there was no answer, or it is another origin's that says nothing to us
    const isOnly = transports.length === 1 || (status ? ONLY_WEBSOCKETS.includes(status) : this.#target.isForeign);
    return transports.includes("websocket") && isOnly && this.#session.id === null && this.#attempt > 1;
  }

  #timeoutOf(kind) {
    const { greetingTimeout } = this.#options;
    return kind === "poll" ? Math.max(POLL_TIMEOUT, greetingTimeout) : greetingTimeout;
  }

  #make(kind) {
    return new WIRES[kind](this, this.#target, this.#session, this.#options);
  }

  /** Whether a wire of this kind could be had. It is the one in use then. */
  #try(kind, timeout = this.#timeoutOf(kind)) {
    const wire = this.#make(kind);
    const timer = setTimeout(() => this.lost(wire, { code: 1006, reason: `no greeting by ${kind}` }), timeout);
    const { promise, resolve } = Promise.withResolvers();
    this.#pending = { wire, timer, settled: promise, settle: resolve };
    wire.open();
    return promise;
  }

  #settle(success) {
    const { timer, settle } = this.#pending;
    this.#pending = null;
    clearTimeout(timer);
    settle(success);
  }

  #opened(greeting) {
    this.#settle(true);
    this.#last = greeting.plain ? "plain" : this.#wire.kind;
    this.#openedAt = performance.now();
    this.#resumed = greeting.resumed === true;
    this.#attempt = 0;
    this.#why = {};
    this.#scheduleAck();
    this.#pause.wake();
    this.#tell("open", { resumed: this.#resumed });
    if (!this.#probing && this.#better().length > 0) this.#probe();
  }

  /** The wire in use is no more. */
  #down(end) {
    this.#wire.drop();
    this.#wire = null;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    const isGood = performance.now() - this.#openedAt >= HEALTHY;
    // A session that was resumed shows that the server is well, so only a series without that makes pauses long.
    this.#failures = isGood ? 1 : this.#resumed ? 2 : this.#failures + 1;
    this.#why = end;
    this.#pause.wake();
    this.#probePause.wake();
  }

  /** Whether a wire that ended with this code is the end of the session, too (PROTOCOL.md, "Ends"). */
  #ends(code, isBegun) {
    if (code === SUPERSEDED) {
      const byOurselves = this.#pending !== null || performance.now() - this.#strayAt < STRAY;
      return isBegun && !byOurselves;
    }
    return (code >= 4500 && code <= 4999) || (isBegun && (code === 1000 || code === 1005));
  }

  #finish({ code, reason }) {
    this.#closed = true;
    this.#wire = null;
    clearTimeout(this.#ackTimer);
    if (this.#pending) {
      this.#pending.wire.drop();
      this.#settle(false);
    }
    this.#pause.wake();
    this.#probePause.wake();
    this.#tell("closed", { code, reason });
  }

  // Coming back

  #better() {
    const { transports } = this.#options;
    return this.#wire ? transports.slice(0, transports.indexOf(this.#wire.kind)) : [];
  }

  /** While a lesser transport is used, look for the better ones now and then. */
  async #probe() {
    this.#probing = true;
    let interval = this.#options.firstProbe;
    for (let round = 1; this.#better().length > 0; round += 1) {
      await this.#probePause.sleep(jittered(interval));
      interval = Math.min(interval * 1.5, this.#options.lastProbe);
      for (const kind of this.#better()) {
        if (this.#pending || !this.#wire) break;
        if (kind === "sse" && round % SSE_PROBE.every !== 0) continue;
        const most = kind === "sse" ? SSE_PROBE.timeout : Infinity;
        if (await this.#try(kind, Math.min(most, this.#timeoutOf(kind)))) break;
      }
    }
    this.#probing = false;
  }

  // Acknowledging

  get #isChanging() {
    return this.#pending?.wire.asked === true;
  }

  #scheduleAck() {
    const { messages, bytes } = this.#session.unsaid;
    if (messages >= ACK.messages || bytes >= ACK.bytes) this.#acknowledge();
    else if (messages > 0) this.#ackTimer ??= setTimeout(() => this.#acknowledge(), ACK.after);
  }

  #acknowledge() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    // Nothing while another wire asks: it must not be behind what was said here.
    if (this.#wire === null || this.#isChanging) return;
    this.#session.said();
    this.#wire.acknowledge(this.#session.received);
  }

  // Telling

  /** What there is while there is no wire. `onLine` may be wrong, so it is a word for the page and nothing more. */
  get #absence() {
    if (!navigator.onLine) return "offline";
    return this.#last === null ? "connecting" : "reconnecting";
  }

  #tell(state, detail) {
    this.#page.state(state, { transport: this.transport, attempt: this.#attempt, ...detail });
  }

  #owns(wire) {
    return wire === this.#wire || wire === this.#pending?.wire;
  }
}
