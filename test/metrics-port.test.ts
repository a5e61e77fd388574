// The port of metrics: open or for those who may, and with certificates that change.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { listenMetrics } from "../src/adapters/http/metrics-port.ts";
import { isTransportError, TransportError } from "../src/contract/errors.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { within } from "./support/deadline.ts";
import { FakeClock } from "./support/fake-clock.ts";
import { createAuthority } from "./support/tls.ts";

const it = suite("metrics port");
const metrics = { contentType: "text/plain", render: () => Promise.resolve("a 1\n") };
const open = { host: "127.0.0.1", port: 0, metrics, secure: null, clock: new FakeClock(), log: silentLog };

it("in the open it answers everybody, and only /metrics", async () => {
  const server = await listenMetrics(open);
  try {
    const get = async (path: string) => (await fetch(`http://${server.address}${path}`)).status;
    assert.equal([await get("/metrics"), await get("/healthz")], [200, 404]);
  } finally {
    await server.close();
  }
});

it("a port that is taken is named", async () => {
  const server = await listenMetrics(open);
  try {
    await listenMetrics({ ...open, port: Number(server.address.split(":")[1]) });
    assert.unreachable("two of them listen");
  } catch (error) {
    assert.ok(isTransportError(error, "PortInUse"), String(error));
  } finally {
    await server.close();
  }
});

it("by HTTPS a token decides, and an API server that does not answer is no permission", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bobravoz-metrics-"));
  const authority = createAuthority("ours");
  const write = (issuer: typeof authority) => {
    const { cert, key } = issuer.issue("metrics");
    writeFileSync(join(folder, "tls.crt"), cert);
    writeFileSync(join(folder, "tls.key"), key);
  };
  write(authority);
  const clock = new FakeClock();
  const secure = {
    cert: join(folder, "tls.crt"),
    key: join(folder, "tls.key"),
    mayRead(token: string) {
      if (token === "unknown") return Promise.reject(new TransportError("Unavailable", "no API server"));
      return Promise.resolve(token === "good");
    },
  };
  let isReplaced: () => void = () => {};
  const replaced = new Promise<void>((resolve) => isReplaced = resolve);
  const server = await listenMetrics({ ...open, secure, clock, log: { ...silentLog, info: () => isReplaced() } });
  const status = (authorization: string, ca = authority.ca) =>
    within(
      5_000,
      "an answer",
      new Promise<number>((resolve) => {
        const call = request(`https://${server.address}/metrics`, {
          ca,
          headers: { authorization },
          agent: false,
        }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        call.on("error", () => resolve(0));
        call.end();
      }),
    );
  try {
    assert.equal(
      [await status("Bearer good"), await status("Bearer bad"), await status("Bearer unknown"), await status("good")],
      [200, 403, 503, 401],
    );
    const other = createAuthority("other");
    assert.is(await status("Bearer good", other.ca), 0);
    write(other);
    clock.step(30_000);
    await within(5_000, "the new certificate", replaced);
    assert.is(await status("Bearer good", other.ca), 200);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

it.run();
