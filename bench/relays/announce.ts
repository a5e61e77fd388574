/** How a baseline tells the bench where it listens: one line on its standard output. */
import type { AddressInfo, Server } from "node:net";

export function announce(server: Pick<Server, "address">): void {
  announcePort((server.address() as AddressInfo).port); // a server that listens on TCP has one
}

export function announcePort(port: number): void {
  process.stdout.write(`listening ${port}\n`);
}
