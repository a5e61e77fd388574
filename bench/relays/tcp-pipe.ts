/** Baseline: a TCP server that pipes the producer's bytes to the consumer of the same run. The bound for any relay. */
import * as net from "node:net";
import { announce } from "./announce.ts";

const consumers = new Map<string, net.Socket>();

const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {}); // the load generator destroys its sockets
  socket.once("data", (chunk: Buffer) => {
    const [role, run] = chunk.toString("latin1", 0, chunk.indexOf(10)).split(" ");
    if (role === "consumer") {
      consumers.set(run!, socket);
      socket.resume();
      return;
    }
    const consumer = consumers.get(run!);
    const rest = chunk.subarray(chunk.indexOf(10) + 1);
    if (consumer === undefined) return;
    if (rest.length > 0) consumer.write(rest);
    socket.pipe(consumer);
  });
});
server.listen(0, "127.0.0.1", () => announce(server));
