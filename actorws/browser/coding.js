// How messages look over HTTP: lines of JSON, and server-sent events. No I/O.

/** Characters of one event or line. More than any message; a stream that never ends a line must not fill the memory. */
const MAX_LENGTH = 64 * 1024 * 1024;

/** A message as a line of a POST. */
export function lineOf(data) {
  return JSON.stringify(typeof data === "string" ? data : { binary: toBase64(data) });
}

/** Lines of JSON: `{ message }` or `{ control }` each. */
export function* parseLines(text) {
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const value = JSON.parse(line);
    if (typeof value === "string") yield { message: value };
    else if (typeof value?.binary === "string") yield { message: fromBase64(value.binary) };
    else yield { control: value };
  }
}

/** What an event of a stream is: `{ message }` or `{ control }`; null for one that isn't known. */
export function parseEvent({ type, data }) {
  switch (type) {
    case "":
    case "message":
      return { message: data };
    case "json":
      return { message: JSON.parse(data) };
    case "binary":
      return { message: fromBase64(data) };
    case "session":
    case "close":
    case "ack":
      return { control: JSON.parse(data) };
    default:
      return null;
  }
}

/**
 * Splits an event stream into events, in whatever pieces it comes: inside a character, or between CR and LF.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export class EventStream {
  #decoder = new TextDecoder();
  #rest = ""; // of a line that hasn't ended
  #afterCR = false;
  #type = "";
  #data = [];
  #length = 0;

  /** The events that end in this piece, `{ type, data }` each. Throws for one that is too long. */
  *push(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return;
    if (this.#afterCR && text[0] === "\n") text = text.slice(1);
    this.#afterCR = text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop();
    if (this.#rest.length + this.#length > MAX_LENGTH) throw new Error("an event is too long");
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else if (this.#data.length > 0) yield this.#event();
      else this.#type = "";
    }
  }

  #event() {
    const event = { type: this.#type, data: this.#data.join("\n") };
    this.#type = "";
    this.#data = [];
    this.#length = 0;
    return event;
  }

  /** Other fields, and comments, say nothing to us: each message is counted, so ids aren't needed. */
  #field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "event") this.#type = value;
    if (name !== "data") return;
    this.#data.push(value);
    this.#length += value.length + 1;
  }
}

/** Arguments of one call: engines allow for tens of thousands. */
const AT_ONCE = 8 * 1024;

function toBase64(buffer) {
  const bytes = new Uint8Array(buffer);
  let binary = "";
  for (let at = 0; at < bytes.length; at += AT_ONCE) {
    binary += String.fromCharCode(...bytes.subarray(at, at + AT_ONCE));
  }
  return btoa(binary);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
}
