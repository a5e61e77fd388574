// Certificates of a port that change on disk while it is open.

import { connect } from "node:http2";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { listenHttp2 } from "../../src/adapters/grpc/listen.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { renewCertificates } from "../../src/bin/certificate-renewal.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { within } from "../support/deadline.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { createAuthority } from "../support/tls.ts";

const it = suite("renewal of certificates");

/** Whether a client of this authority gets a connection. */
async function isServed(address: string, client: TlsFiles): Promise<boolean> {
  const session = connect(`https://${address}`, client);
  const outcome = new Promise<boolean>((resolve) => {
    session.once("remoteSettings", () => resolve(true));
    session.once("error", () => resolve(false));
    session.once("close", () => resolve(false));
  });
  try {
    return await within(5_000, "a connection or none", outcome);
  } finally {
    session.destroy();
  }
}

it("C-107 what stands in the files is shown to new connections, and what cannot be used changes nothing", async () => {
  const [first, second] = [createAuthority("first"), createAuthority("second")];
  const clients = [first.issue("client"), second.issue("client")] as const;
  let files: TlsFiles | Error = first.issue("hub");
  const clock = new FakeClock();
  const said: string[] = [];
  const log = { ...silentLog, info: (text: string) => said.push(text), warn: (text: string) => said.push(text) };
  const server = await listenHttp2({ address: "127.0.0.1:0", tls: files, clock, log: silentLog, stream() {} });
  const renewal = renewCertificates({
    tls: files,
    read: () => files instanceof Error ? Promise.reject(files) : Promise.resolve(files),
    server,
    clock,
    log,
  });
  try {
    const served = async () => [await isServed(server.address, clients[0]), await isServed(server.address, clients[1])];
    assert.equal(await served(), [true, false]);
    await clock.stepAsync(30_000);
    assert.equal(said, []);
    const { key } = files;
    files = second.issue("hub");
    await clock.stepAsync(30_000);
    assert.equal(await served(), [false, true]);
    files = { ...first.issue("hub"), key };
    await clock.stepAsync(30_000);
    files = new Error("no such file");
    await clock.stepAsync(30_000);
    assert.equal(await served(), [false, true]);
    assert.equal(said, [
      "certificate is replaced",
      "certificate cannot be replaced",
      "certificate cannot be replaced",
    ]);
  } finally {
    renewal.cancel();
    await server.close(0);
  }
});

it.run();
