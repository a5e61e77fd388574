/**
 * One test bed for many test files: starts it and serves it on loopback, so that its commands reach it from other
 * processes. As a program it prints the value for BOBRAVOZ_TEST_BED and runs until it is interrupted.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { startBed } from "./bed.ts";

export interface BedHost extends AsyncDisposable {
  /** Value of BOBRAVOZ_TEST_BED. */
  readonly url: string;
}

/** Starts a bed and its door. Disposing of it ends both. */
export async function hostBed(...flags: readonly string[]): Promise<BedHost> {
  const bed = await startBed(...flags);
  const { server, ca, kubeconfig, auditLog, pids } = bed;
  const door = createServer((request, response) => {
    const parts: Uint8Array[] = [];
    request.on("data", (part: Uint8Array) => parts.push(part));
    request.on("end", () => {
      const line = parts.map((part) => new TextDecoder().decode(part)).join("").trim();
      const facts = { server, ca, kubeconfig, auditLog, pids };
      const answer = request.method === "POST" ? bed.command(line) : Promise.resolve(facts);
      answer.then(
        (body) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  return {
    // listens on TCP
    url: `http://127.0.0.1:${(door.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      door.close();
      door.closeAllConnections();
      await bed[Symbol.asyncDispose]();
    },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const host = await hostBed(...process.argv.slice(2));
  console.log(host.url);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void host[Symbol.asyncDispose]().then(() => process.exit(0)));
  }
}
