// What connect() may be told, checked where the mistake was made.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 section 5.6.2
const TRANSPORTS = ["websocket", "sse", "poll"];

/** Times are in milliseconds. */
const DEFAULTS = {
  subprotocols: [],
  transports: TRANSPORTS,
  headers: {},
  credentials: "same-origin",
  maxMessages: 10_000,
  maxBytes: 8 * 1024 * 1024,
  greetingTimeout: 5_000,
  firstRetry: 500,
  lastRetry: 10_000,
  firstProbe: 10_000,
  lastProbe: 60_000,
  silence: 20_000,
  answerTimeout: 10_000,
};

/** All options, with defaults for those that aren't given. */
export function checkOptions(given) {
  if (typeof given !== "object" || given === null) throw new TypeError(`options must be an object, not ${given}`);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      throw new TypeError(`there is no option ${name}; there are ${Object.keys(DEFAULTS).join(", ")}`);
    }
  }
  const options = { ...DEFAULTS };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) options[name] = value;
  options.subprotocols = listOf("subprotocols", options.subprotocols, (name) => TOKEN.test(name), "tokens");
  options.transports = listOf("transports", options.transports, (name) => TRANSPORTS.includes(name), TRANSPORTS);
  if (options.transports.length === 0) throw new RangeError("transports must name at least one");
  if (typeof options.headers !== "function") new Headers(options.headers); // throws for what can't be headers
  for (const [name, value] of Object.entries(DEFAULTS)) if (typeof value === "number") checkNumber(name, options[name]);
  return options;
}

function listOf(name, value, isGood, expected) {
  const list = typeof value === "string" ? [value] : [...value];
  for (const item of list) {
    if (typeof item !== "string" || !isGood(item)) throw new RangeError(`${name} must be ${expected}, not ${item}`);
  }
  if (new Set(list).size !== list.length) throw new RangeError(`${name} must be different ones, not ${list}`);
  return list;
}

function checkNumber(name, value) {
  if (typeof value !== "number" || Number.isNaN(value)) throw new TypeError(`${name} must be a number, not ${value}`);
  if (value <= 0) throw new RangeError(`${name} must be more than 0, not ${value}`);
}

/**
 * Where requests and WebSockets go: functions of the session to go on with (its id, or null for a new one).
 * Its node stands in the query, so that a server of several processes finds the one that has the session.
 */
export function targetOf(url) {
  const base = new URL(url, location.href);
  base.hash = "";
  const secure = { "https:": true, "wss:": true, "http:": false, "ws:": false }[base.protocol];
  if (secure === undefined) throw new RangeError(`url must be ws, wss, http or https, not ${base.protocol}`);
  const make = (scheme) => (session, query = {}) => {
    const made = new URL(base);
    made.protocol = secure ? `${scheme}s:` : `${scheme}:`;
    const node = session === null ? {} : { "actorws-node": session.split(".")[0] };
    for (const [name, value] of Object.entries({ ...query, ...node })) made.searchParams.set(name, value);
    return made.href;
  };
  const target = { websocket: make("ws"), http: make("http") };
  return { ...target, isForeign: new URL(target.http(null)).origin !== location.origin };
}
