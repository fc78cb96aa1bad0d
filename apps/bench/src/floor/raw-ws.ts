// Raw `ws`: sends what it gets back to its sender (`/echo`), or to every socket of `/broadcast`.
import { createServer } from "node:http";
import { WebSocketServer, type WebSocket } from "ws";

const server = createServer((_, response) => response.end("ok"));
const webSockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
const members = new Set<WebSocket>();
webSockets.on("connection", (socket, request) => {
  const isBroadcast = request.url?.startsWith("/broadcast") ?? false;
  if (isBroadcast) members.add(socket);
  socket.on("close", () => members.delete(socket));
  socket.on("error", () => {});
  socket.on("message", (data: Buffer) => {
    const text = data.toString();
    if (!isBroadcast) socket.send(text);
    else for (const member of members) if (member !== socket) member.send(text);
  });
});
server.listen(Number(process.env["APP_PORT"]), "127.0.0.1");
