/** Addresses of gRPC peers and listeners as they are written in bindings: `host:port`, `[::1]:port`, `unix:/path`. */
import { TransportError } from "../../contract/errors.ts";
import { splitHostPort } from "../../contract/host-port.ts";

export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Takes an address apart. Throws `InvalidConfiguration` naming it. */
export function parseSocketAddress(address: string): SocketAddress {
  if (address.startsWith("unix:")) {
    const path = address.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    if (path !== "" && path !== "//") return { path };
    throw new TransportError("InvalidConfiguration", `address ${JSON.stringify(address)} names no path`);
  }
  const parts = splitHostPort(address);
  const fault = "fault" in parts
    ? parts.fault
    : /^[0-9]{1,5}$/.test(parts.port) && Number(parts.port) <= 65535
    ? null
    : "its port is not a number up to 65535";
  if (fault !== null || "fault" in parts) {
    throw new TransportError("InvalidConfiguration", `address ${JSON.stringify(address)}: ${fault}`);
  }
  return { host: parts.host || "127.0.0.1", port: Number(parts.port) };
}
