// Session: what was sent and what has come, by counting. Knows nothing of wires but how far each of them has got.

/** Messages that were sent and that the server hasn't acknowledged, numbered from 1; bounded in count and bytes. */
export class Outbox {
  /** How many the server has. */
  acknowledged = 0;

  #maxMessages;
  #maxBytes;
  #messages = []; // { data, size }; the first one's number is `acknowledged` + 1
  #bytes = 0;
  #handed = 0; // the highest number that any wire was given: the server may have it
  #insertAt = null; // where the next message goes, if not behind the last

  constructor(maxMessages, maxBytes) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get size() {
    return this.#messages.length;
  }

  /** Keep a message; false if there is no room beside `backlog`, bytes that wait elsewhere. */
  add(data, size, backlog = 0) {
    if (this.size >= this.#maxMessages || this.#bytes + size + backlog > this.#maxBytes) return false;
    if (this.#insertAt === null) this.#messages.push({ data, size });
    else this.#messages.splice(this.#insertAt++, 0, { data, size });
    this.#bytes += size;
    return true;
  }

  /** The message with this number; undefined if there is none (yet). To hand it to a wire, call `hand` too. */
  get(number) {
    return this.#messages[number - this.acknowledged - 1]?.data;
  }

  /** The message with this number has been given to a wire. */
  hand(number) {
    this.#handed = Math.max(this.#handed, number);
  }

  /** The server has so many. False if that can't be. */
  acknowledge(count) {
    if (!Number.isInteger(count) || count < this.acknowledged || count > this.#handed) return false;
    for (const { size } of this.#messages.splice(0, count - this.acknowledged)) this.#bytes -= size;
    this.acknowledged = count;
    return true;
  }

  /**
   * The server knows nothing any more. Returns what it may have handled or not; the rest, which no wire was given,
   * gets numbers from 1. Until `settle` new messages go in front of that rest.
   */
  restart() {
    const doubtful = this.#messages.splice(0, this.#handed - this.acknowledged);
    for (const { size } of doubtful) this.#bytes -= size;
    this.acknowledged = this.#handed = 0;
    this.#insertAt = 0;
    return doubtful.map(({ data }) => data);
  }

  settle() {
    this.#insertAt = null;
  }
}

export class Session {
  /** What the server calls it; null before the first, and on a plain WebSocket. A secret. */
  id = null;
  subprotocol = "";
  /** Messages of the server that have come. */
  received = 0;

  #said = 0; // how many of them the server was told of
  #saidBytes = 0;
  #receivedBytes = 0;
  #begun = false;
  #lost = ""; // why the session is gone, if the server has said so already

  constructor(maxMessages, maxBytes) {
    this.outbox = new Outbox(maxMessages, maxBytes);
  }

  /** What a wire says that asks for this session: it counts from there. */
  hello(wire) {
    wire.position = this.received;
    return { id: this.id, received: this.received };
  }

  /** A message has come on `wire`. Whether it is new: two wires may bring the same while one takes over. */
  arrived(wire, data) {
    wire.position += 1;
    if (wire.position <= this.received) return false;
    this.received = wire.position;
    this.#receivedBytes += typeof data === "string" ? data.length : data.byteLength;
    return true;
  }

  /** Messages, and bytes of them, that the server wasn't told of. */
  get unsaid() {
    return { messages: this.received - this.#said, bytes: this.#receivedBytes - this.#saidBytes };
  }

  /** It has been told of all. */
  said() {
    this.#said = this.received;
    this.#saidBytes = this.#receivedBytes;
  }

  /** The server has said that the session is gone: the next wire begins a new one. */
  forget(reason) {
    this.id = null;
    this.#lost = reason;
  }

  /**
   * A wire begins with this greeting. Returns null when all is well, or what was lost with the session before:
   * `{ reason, unacknowledged }`. Throws if the greeting can't be true.
   */
  begin(wire, greeting) {
    this.subprotocol = greeting.subprotocol ?? "";
    if (greeting.resumed) {
      if (!this.outbox.acknowledge(greeting.received)) throw new Error("the server's count can't be");
      if (wire.position === this.received) this.said(); // else more has come on the wire before, since it asked
      return null;
    }
    const reason = greeting.lost ?? (this.#lost || "unknown");
    const unacknowledged = this.outbox.restart();
    const loss = this.#begun ? { reason, unacknowledged } : null;
    this.#begun = true;
    this.#lost = "";
    this.id = greeting.session;
    this.received = wire.position = 0;
    this.said();
    return loss;
  }
}
