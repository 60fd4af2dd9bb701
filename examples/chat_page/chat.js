// The lobby's page. Sends plain text, gets JSON (see examples/chat.py). What other people wrote only ever
// becomes a text node, never markup. That nothing is lost when the network comes and goes is done by actorws.js.

import { connect } from "/_actorws/actorws.js";

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

const KEPT_LINES = 500;

let conn = null;
let me = null; // our name once the server has welcomed us
let wanted = null; // the name we want to have; null while at the door
let unread = 0;
let shape = ""; // of the log when it was last laid out
let following = true; // whether the newest line is in view, and so should stay in view
const people = new Set();

// The connection

function walkIn() {
  const url = new URL("chat", location.href);
  url.searchParams.set("name", wanted);
  const mine = (conn = connect(url));
  mine.onmessage = (data) => mine === conn && receive(JSON.parse(data));
  mine.onstate = (state, detail) => mine === conn && changed(state, detail);
  mine.onlost = ({ unacknowledged }) => mine === conn && lost(unacknowledged);
}

const WAYS = { websocket: "", sse: " · over an event stream", poll: " · by polling" };
const ABSENCES = { reconnecting: "Connection lost. Reconnecting…", offline: "No network. Waiting for it…" };

function changed(state, { transport, attempt, reason }) {
  if (state === "closed") return toDoor(reason);
  if (me === null) {
    if (attempt > 1) toDoor("The server can't be reached. Please try again.");
    return;
  }
  if (state === "open") status("open", `You are ${me}${WAYS[transport]}`);
  else status("connecting", ABSENCES[state]);
}

/** The server has forgotten us, so this is another visit. What it was never sent still goes to it. */
function lost(unacknowledged) {
  const waiting = [...$("log").querySelectorAll(".waiting")];
  waiting.slice(0, waiting.length - conn.buffered).forEach((line) => line.remove());
  for (const text of unacknowledged) notice(`Nobody may have got this: ${text}`);
}

function hangUp() {
  const open = conn;
  conn = null; // first, so that what it still says isn't heard
  open?.close();
}

const receive = (event) => handlers[event.type]?.(event);

const handlers = {
  welcome(event) {
    const again = me !== null;
    me = event.name;
    people.clear();
    event.people.forEach((name) => people.add(name));
    showPeople();
    changed("open", conn);
    if (again) notice("You are back. What was said meanwhile is not shown.");
    else toRoom();
  },
  came({ name }) {
    people.add(name);
    showPeople();
    notice(`${name} came in`);
  },
  left({ name }) {
    if (!people.delete(name)) return;
    showPeople();
    notice(`${name} left`);
  },
  said({ name, text }) {
    if (name === me) $("log").querySelector(".waiting")?.remove();
    message(name, text);
    if (document.hidden) document.title = `(${(unread += 1)}) Lobby`;
  },
};

// Door and room

function toDoor(refusal = "") {
  hangUp();
  wanted = me = null;
  $("room").hidden = true;
  $("door").hidden = false;
  $("refusal").textContent = refusal;
  $("name").setAttribute("aria-invalid", String(refusal !== ""));
  $("join").querySelector("button").disabled = false;
  $("name").focus();
  $("name").select();
}

function toRoom() {
  $("log").querySelectorAll(".message, .notice").forEach((line) => line.remove());
  $("refusal").textContent = "";
  $("door").hidden = true;
  $("room").hidden = false;
  $("text").focus();
}

function status(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
  canSend();
}

// Who is there

function avatar(name) {
  const circle = element("span", "avatar", [...name][0].toUpperCase());
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  circle.style.setProperty("--hue", hue);
  circle.setAttribute("aria-hidden", "true");
  return circle;
}

function showPeople() {
  const names = [...people].sort((a, b) => (b === me) - (a === me) || a.localeCompare(b));
  $("people").replaceChildren(
    ...names.map((name) => {
      const item = element("li");
      item.dataset.name = name;
      item.append(avatar(name), element("span", "who", name));
      if (name === me) item.append(element("span", "you", "(you)"));
      return item;
    }),
  );
  $("count").textContent = people.size;
}

// What is said

function message(name, text) {
  const waiting = $("log").querySelector(".waiting"); // our own words that aren't back yet stay at the end
  const previous = waiting ? waiting.previousElementSibling : $("log").lastElementChild;
  const line = element("div", "message");
  line.dataset.from = name;
  line.classList.toggle("mine", name === me);
  const byline = element("p", "byline");
  const time = element("time", "", clock.format(new Date()));
  time.dateTime = new Date().toISOString();
  byline.append(element("span", "from", name === me ? "You" : name), " ", time);
  const again = previous.matches(".message") && previous.dataset.from === name;
  if (again) {
    // Said in one breath: the avatar moves down to the newest, the byline stays for those who listen.
    line.classList.add("again");
    byline.classList.add("unseen");
    previous.querySelector(".avatar").textContent = "";
    previous.querySelector(".avatar").classList.add("blank");
  }
  line.append(avatar(name), byline, element("p", "text", text));
  append(line, name === me);
}

/** Our own words, until they come back. */
function waitingMessage(text) {
  const line = element("div", "waiting");
  line.append(element("p", "text", text));
  append(line, true);
}

const notice = (text) => append(element("p", "notice", text));

function append(line, follow = false) {
  const log = $("log");
  log.insertBefore(line, line.matches(".waiting") ? null : log.querySelector(".waiting"));
  while (log.childElementCount > KEPT_LINES) log.children[1].remove(); // 0 is the line that says nothing was said
  following ||= follow;
  $("newest").hidden = following;
  stayAtEnd();
}

const shapeOf = (log) => `${log.clientWidth} x ${log.clientHeight}`;

function stayAtEnd() {
  if (following) $("log").scrollTop = $("log").scrollHeight;
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// What the person does

const canSend = () => {
  $("send").disabled = conn === null || $("text").value.trim() === "";
};

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (name === "") return toDoor("Please enter a name.");
  wanted = name;
  $("refusal").textContent = "";
  $("join").querySelector("button").disabled = true;
  walkIn();
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  canSend();
  if ($("send").disabled) return;
  if (!conn.send($("text").value)) return; // too much waits already
  waitingMessage($("text").value.trim());
  $("text").value = "";
  canSend();
});

$("text").addEventListener("input", canSend);
$("text").addEventListener("keydown", (event) => {
  // Enter sends, Shift+Enter is a new line; while an input method composes, Enter belongs to it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say").requestSubmit();
});

$("leave").addEventListener("click", () => toDoor());

$("log").addEventListener("scroll", () => {
  const log = $("log");
  if (shapeOf(log) !== shape) return; // reflowed, not scrolled: the observer comes next
  following = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (following) $("newest").hidden = true;
});
// The keyboard of a phone takes half of the room, and turning it reflows every line.
new ResizeObserver(() => {
  shape = shapeOf($("log"));
  stayAtEnd();
}).observe($("log"));
$("newest").addEventListener("click", () => {
  following = true;
  stayAtEnd();
  $("text").focus();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = "Lobby";
});
// A page that is left may be kept with its connection open, for the Back button: nobody is behind it, so it leaves.
window.addEventListener("pagehide", hangUp);
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted && wanted !== null) walkIn();
});
