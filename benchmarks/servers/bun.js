// Bun: uWebSockets (C++) driven from JavaScript, one handler for all connections, each of which carries its route.
//
// /topic uses its own publish, to the sender too; /fan is a loop over the members. /async has an async callback.

const members = new Set();

const routes = {
  "/": { message: (ws, message) => ws.send(message) },
  "/async": { message: async (ws, message) => ws.send(message) },
  "/fan": {
    open: (ws) => members.add(ws),
    message: (ws, message) => {
      for (const member of members) member.send(message);
    },
    close: (ws) => members.delete(ws),
  },
  "/topic": {
    open: (ws) => ws.subscribe("topic"),
    message: (ws, message) => ws.publish("topic", message),
  },
};

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),

  fetch(request, server) {
    const route = routes[new URL(request.url).pathname];
    if (route && server.upgrade(request, { data: route })) return;
    return new Response("not found", { status: 404 });
  },

  websocket: {
    backpressureLimit: 64 * 1024 * 1024, // Beyond this it drops messages.
    idleTimeout: 0,
    maxPayloadLength: 16 * 1024 * 1024,
    perMessageDeflate: false,
    publishToSelf: true,
    open: (ws) => ws.data.open?.(ws),
    message: (ws, message) => ws.data.message(ws, message),
    close: (ws) => ws.data.close?.(ws),
  },
});
