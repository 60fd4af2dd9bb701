// ws on Node.js: an emitter for each connection, with bufferutil, the native addon that its README advises.
//
// It has nothing to send to many at once, so /topic is served as /fan: by a loop over the members. /async has an async
// callback.

"use strict";

const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  backlog: 4096,
  clientTracking: false, // By path instead, in groups.
  maxPayload: 16 * 1024 * 1024,
  perMessageDeflate: false,
});
const groups = { "/fan": new Set(), "/topic": new Set() };

function join(ws, members) {
  members.add(ws);
  ws.on("close", () => members.delete(ws));
  ws.on("message", (message, isBinary) => {
    for (const member of members) member.send(message, { binary: isBinary });
  });
}

server.on("connection", (ws, request) => {
  ws.on("error", () => {}); // A reset, say: "close" follows.
  if (request.url in groups) {
    join(ws, groups[request.url]);
  } else if (request.url === "/async") {
    ws.on("message", async (message, isBinary) => ws.send(message, { binary: isBinary }));
  } else {
    ws.on("message", (message, isBinary) => ws.send(message, { binary: isBinary }));
  }
});
