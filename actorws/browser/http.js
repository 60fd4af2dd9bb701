// EventStreamWire, PollWire: a session over HTTP. Messages of the server come in the answers to GETs, those of the page
// go in POSTs. The contract of wires stands in link.js.

import { EventStream, lineOf, parseEvent, parseLines } from "./coding.js";
import { Pause, Silence } from "./timing.js";

/** One POST has at most so many messages and characters, or one message. */
const BATCH = { messages: 256, characters: 256 * 1024 };
/** As much of what waits goes with the end of a session: a server takes 1 MiB at once, if not told otherwise. */
const LAST_BATCH = { messages: 999, characters: 512 * 1024 };
const POST_TIMEOUT = 15_000;
/** A POST that can't be had is tried so often before the wire is given up. */
const POST_TRIES = 4;
/** The server answers a poll after 25 s at the latest. */
const POLL_TIMEOUT = 35_000;
/** An empty answer that came sooner is followed by a pause: whoever answers so must not be asked all the time. */
const SOON = 500;
/** Retry-After is obeyed up to here. */
const MAX_RETRY = 30_000;
/** Bytes that a request may have that outlives its page (Fetch, "keepalive"), less some for its head. */
const MAX_LAST = 60 * 1024;
const GONE = 410;
/** Why it is gone, if the actor has ended it. */
const ENDED = "ended";
const utf8 = new TextEncoder();

/** What both have: requests, and POSTs one at a time. */
class HttpWire {
  asked = false;
  position = 0;
  backlog = 0;

  #urlOf;
  #dropped = new AbortController();
  #paused = false;
  #posting = null; // a promise
  #retry = new Pause();
  #ackDue = false;
  #batchSize = BATCH;
  #isEnded = false;

  constructor(link, target, session, options) {
    this.link = link;
    this.session = session;
    this.options = options;
    this.#urlOf = target.http;
  }

  get isDropped() {
    return this.#dropped.signal.aborted;
  }

  get isPaused() {
    return this.#paused;
  }

  open() {
    this.run().catch((error) => this.fail(String(error)));
  }

  begin() {}

  flush() {
    if (this.#posting || this.#paused || this.isDropped) return;
    this.#posting = this.#post()
      .catch((error) => this.fail(String(error)))
      .finally(() => {
        this.#posting = null;
        if (this.#hasWork) this.flush();
      });
  }

  acknowledge() {
    this.#ackDue = true;
    this.flush();
  }

  async pause() {
    this.#paused = true;
    this.#retry.wake();
    await this.#posting;
  }

  resume() {
    this.#paused = false;
    if (this.#hasWork) this.flush();
  }

  /** In one last POST, which outlives the page if it is small enough. What is under way is in it, too. */
  end(code, reason, { lines } = this.#batch(LAST_BATCH)) {
    const { outbox, id } = this.session;
    const body = [...lines, JSON.stringify({ close: { code, reason } })].join("\n");
    const headers = this.#headers({ "Actorws-Offset": outbox.acknowledged, "Content-Type": "application/x-ndjson" });
    const keepalive = utf8.encode(body).length <= MAX_LAST;
    const { credentials } = this.options;
    fetch(this.#urlOf(id), { method: "POST", headers, body, keepalive, credentials }).catch(() => {});
    this.drop();
  }

  drop() {
    this.#dropped.abort();
    this.#retry.wake();
  }

  fail(reason, status) {
    this.link.lost(this, { code: 1006, reason, status });
  }

  /**
   * Send a request, and give it up after `limit` unless `read(response)` has ended by then. Returns what `read` does.
   * `read` may call its second argument when what comes from there on may take as long as it likes.
   */
  async request(method, { query, headers, body, limit }, read) {
    const controller = new AbortController();
    const abort = () => controller.abort();
    const timer = setTimeout(abort, limit);
    this.#dropped.signal.addEventListener("abort", abort);
    try {
      if (this.isDropped) throw new DOMException("the wire was left", "AbortError");
      const response = await fetch(this.#urlOf(this.session.id, query), {
        method,
        headers: this.#headers(headers),
        body,
        cache: "no-store",
        credentials: this.options.credentials,
        signal: controller.signal,
      });
      return await read(response, () => clearTimeout(timer));
    } finally {
      clearTimeout(timer);
      this.#dropped.signal.removeEventListener("abort", abort);
      abort(); // what wasn't read isn't wanted
    }
  }

  /** For a GET that begins a session, or goes on with one. */
  helloHeaders({ id, received }) {
    const { subprotocols } = this.options;
    if (id !== null) return { "Actorws-Received": received };
    return subprotocols.length > 0 ? { "Actorws-Subprotocols": subprotocols.join(", ") } : {};
  }

  /** The server has so many of our messages. Answers overtake each other, so fewer than it said before says nothing. */
  confirm(count) {
    if (!(count < this.session.outbox.acknowledged)) this.link.confirmed(this, count);
  }

  async gone(response) {
    this.link.gone(this, await reasonOf(response));
  }

  #headers(more) {
    const { headers } = this.options;
    const made = new Headers(typeof headers === "function" ? headers() : headers);
    if (this.session.id !== null) made.set("Actorws-Session", this.session.id);
    for (const [name, value] of Object.entries(more)) made.set(name, value);
    return made;
  }

  // POSTs

  get #hasWork() {
    return !this.#paused && !this.#isEnded && !this.isDropped && (this.#ackDue || this.session.outbox.size > 0);
  }

  /** Until everything is acknowledged. Each goes again, from the same offset, until it is answered. */
  async #post() {
    for (let failures = 0; this.#hasWork; ) {
      const answer = await this.#postOnce().catch((error) => ({ status: 0, error }));
      if (this.isDropped) return;
      if (answer.status === 200) {
        failures = 0;
        continue;
      }
      if (answer.lost === ENDED) return; // its last messages, and the code it ended with, come from the server
      if (answer.status === GONE) return this.link.gone(this, answer.lost);
      if (answer.status === 413 && this.#batchSize.messages === 1) return this.#giveUp();
      const retry = this.#retryAfter(answer, ++failures);
      if (retry === null) return this.fail(answer.error ? String(answer.error) : `POST: HTTP ${answer.status}`);
      if (!this.#paused) await this.#retry.sleep(retry);
    }
  }

  async #postOnce() {
    const { outbox } = this.session;
    const { lines, last } = this.#batch(this.#batchSize);
    const headers = { "Actorws-Offset": outbox.acknowledged, "Content-Type": "application/x-ndjson" };
    const received = this.received;
    if (received !== null) headers["Actorws-Received"] = received;
    this.#ackDue = false;
    outbox.hand(last);
    return this.request("POST", { headers, body: lines.join("\n"), limit: POST_TIMEOUT }, async (response) => {
      const { status } = response;
      if (status === GONE) {
        const lost = await reasonOf(response);
        this.#isEnded = lost === ENDED;
        return { status, lost };
      }
      if (status !== 200) return { status, after: Number(response.headers.get("Retry-After")) };
      const { received: count } = await response.json();
      if (this.isDropped) return { status };
      const before = outbox.acknowledged;
      this.confirm(count);
      // What was sent and not taken goes again, but not at once.
      return { status: lines.length > 0 && outbox.acknowledged === before ? 503 : 200 };
    });
  }

  /** One message is too big for the server: it would end a WebSocket, and with it the session, for that. */
  #giveUp() {
    this.end(1009, "message too big", { lines: [] });
    this.link.gone(this, "too-big");
  }

  /** Milliseconds, or null: this wire can't do it. */
  #retryAfter({ status, after }, failures) {
    if (status === 503 || status === 429) return Math.min(MAX_RETRY, (after || 1) * 1_000);
    if (status === 413 && this.#batchSize.messages > 1) {
      this.#batchSize = { ...BATCH, messages: Math.ceil(this.#batchSize.messages / 4) };
      return 0;
    }
    const isPassing = status === 0 || status === 408 || status >= 500;
    return isPassing && failures < POST_TRIES ? Math.random() * 500 * 2 ** failures : null;
  }

  #batch(most) {
    const { outbox } = this.session;
    const lines = [];
    let last = outbox.acknowledged;
    for (let characters = 0; lines.length < most.messages; last += 1) {
      const data = outbox.get(last + 1);
      if (data === undefined) break;
      const line = lineOf(data);
      characters += line.length;
      if (lines.length > 0 && characters > most.characters) break;
      lines.push(line);
    }
    return { lines, last };
  }
}

/** Of an answer 410. */
async function reasonOf(response) {
  return (await response.json().catch(() => null))?.lost ?? "unknown";
}

/** Server-sent events, read by `fetch`: an EventSource can't set headers. */
export class EventStreamWire extends HttpWire {
  kind = "sse";
  #silence = null;

  /** What a POST acknowledges. */
  get received() {
    return this.session.received;
  }

  async run() {
    const hello = await this.link.hello(this);
    const headers = { ...this.helloHeaders(hello), Accept: "text/event-stream" };
    // Until the greeting the link's own limit counts, then silence does.
    await this.request("GET", { headers, limit: this.options.greetingTimeout }, async (response, begun) => {
      if (response.status === GONE) return this.gone(response);
      const type = response.headers.get("Content-Type") ?? "";
      if (!response.ok || !type.startsWith("text/event-stream")) {
        return this.fail(`HTTP ${response.status} ${type}`, response.status);
      }
      begun();
      await this.#read(response.body.getReader());
      this.fail("the stream has ended");
    });
  }

  async #read(reader) {
    // The server has a comment to say every 15 s, and nobody can be asked.
    this.#silence = new Silence(this.options.silence + this.options.answerTimeout, () => this.fail("no sign of life"));
    const stream = new EventStream();
    for (let piece; !(piece = await reader.read()).done && !this.isDropped; ) {
      this.#silence.heard();
      for (const event of stream.push(piece.value)) this.#take(parseEvent(event));
    }
  }

  #take(parsed) {
    if (parsed?.control) this.link.control(this, parsed.control);
    else if (parsed) this.link.arrived(this, parsed.message);
  }

  /** One that was silent for longer than it should have been isn't waited for. */
  check() {
    if (this.#silence?.length > this.options.silence) this.fail("silent when it was checked");
  }

  drop() {
    this.#silence?.stop();
    super.drop();
  }
}

/** One GET after another, each answered when there is something to say. */
export class PollWire extends HttpWire {
  kind = "poll";
  #gate = new Pause();

  /** Each poll says what has come; a POST, which may be overtaken by one, doesn't. */
  received = null;

  async run() {
    const hello = await this.link.hello(this);
    if (hello.id !== null && !(await this.#isKnown(hello))) return;
    while (!this.isDropped) {
      const startedAt = performance.now();
      const taken = await this.#poll();
      if (taken === null) return;
      if (taken === 0) await this.#gate.sleep(Math.max(0, SOON - (performance.now() - startedAt)));
      while (this.isPaused && !this.isDropped) await this.#gate.sleep(Infinity);
    }
  }

  check() {}

  resume() {
    super.resume();
    this.#gate.wake();
  }

  drop() {
    super.drop();
    this.#gate.wake();
  }

  /** A poll may be answered after 25 s only: an empty POST says sooner whether the session is there. */
  async #isKnown({ id, received }) {
    const request = { headers: { "Actorws-Received": received }, limit: POST_TIMEOUT };
    const count = await this.request("POST", request, async (response) => {
      if (response.status === GONE) {
        const reason = await reasonOf(response);
        return reason === ENDED ? this.session.outbox.acknowledged : this.link.gone(this, reason);
      }
      if (!response.ok) return this.fail(`HTTP ${response.status}`, response.status);
      return (await response.json()).received;
    });
    if (count === undefined) return false;
    this.link.greeted(this, { session: id, resumed: true, received: count });
    return !this.isDropped;
  }

  /** How many messages there were; null if this was the last poll. */
  #poll() {
    const headers = this.helloHeaders(this.session.hello(this));
    const request = { query: { transport: "poll" }, headers, limit: POLL_TIMEOUT };
    return this.request("GET", request, async (response) => {
      if (response.status === GONE) return this.gone(response).then(() => null);
      if (!response.ok) return this.fail(`HTTP ${response.status}`, response.status) ?? null;
      this.session.said(); // the request did
      return this.#take(await response.text());
    });
  }

  #take(text) {
    let messages = 0;
    for (const { message, control } of parseLines(text)) {
      if (message !== undefined) {
        messages += 1;
        this.link.arrived(this, message);
      } else {
        this.link.control(this, control);
        // The greeting of every poll says what the session has got.
        if (control?.resumed) this.confirm(control.received);
      }
    }
    return messages;
  }
}
