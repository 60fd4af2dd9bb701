// The page: how long messages take from send() to onmessage, as a script sees it. What is to be done stands in the
// page's query. It tells the desk (see desk.py) that its sockets are open, waits for the answer, works, and tells its
// figures; or, at any time, what went wrong.

/** Milliseconds without a message after which the server has stalled. */
const SILENCE = 10_000;

const query = new URLSearchParams(location.search);
const number = (name) => Number(query.get(name));
const [members, window_, size, seconds] = ["members", "window", "size", "seconds"].map(number);
const server = `ws://${location.host}${query.get("path")}`;

const tell = (what, data) => fetch(`/${what}`, { method: "POST", body: JSON.stringify(data) });

function open() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(server);
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(`no WebSocket could be opened to ${server}: is it the server that is to be measured?`);
  });
}

/** Rounds until the time is over; resolves to the milliseconds of each, per message of the sender. */
function work(sockets) {
  return new Promise((resolve, reject) => {
    const taken = [];
    const expected = window_ * sockets.length; // every member gets what the first one sends; alone it is an echo
    const end = performance.now() + seconds * 1_000;
    let missing, message, began;

    function begin() {
      // Each round has a text of its own, so that no late or doubled message of an earlier one is counted.
      message = String(taken.length).padStart(size, "0").slice(-size);
      missing = expected;
      began = performance.now();
      for (let left = window_; left > 0; left--) sockets[0].send(message);
    }

    function received({ data }) {
      if (data !== message) return reject(`the message ${JSON.stringify(message)} came back as ${show(data)}`);
      if (--missing > 0) return;
      const now = performance.now();
      taken.push((now - began) / window_);
      if (now < end) begin();
      else resolve(taken);
    }

    for (const socket of sockets) {
      socket.onmessage = received;
      socket.onclose = ({ code }) => reject(`the server has closed a connection, with code ${code}`);
    }
    let seen = -1;
    setInterval(() => {
      if (taken.length === seen) reject(`for ${SILENCE / 1_000} s ${missing} of ${expected} messages did not come`);
      seen = taken.length;
    }, SILENCE);
    begin();
  });
}

const show = (data) => (typeof data === "string" ? JSON.stringify(data.slice(0, 100)) : "bytes");

function figuresOf(taken, took) {
  const sorted = Float64Array.from(taken).sort();
  const us = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] * 1_000;
  return {
    messages: taken.length * window_ * (members + 1),
    seconds: took / 1_000,
    p50_us: us(0.5),
    p90_us: us(0.9),
    p99_us: us(0.99),
    p999_us: us(0.999),
    max_us: us(1),
  };
}

async function main() {
  // Other pages' clocks have steps of 100 us, those of isolated ones 5 us (High Resolution Time, section 7.1).
  if (!crossOriginIsolated) throw "the page is not isolated, so its clock is too coarse: is this Chromium older than 92?";
  const start = performance.now();
  const sockets = [];
  // One after another, 13 ms each: those of a page that opens 100 at once are held back, which takes 5 s in all.
  while (sockets.length <= members) sockets.push(await open());
  await tell("opened", { opened: sockets.length, open_seconds: (performance.now() - start) / 1_000 });
  const began = performance.now();
  const taken = await work(sockets);
  await tell("figures", figuresOf(taken, performance.now() - began));
}

main().catch((error) => tell("failed", String(error)));
