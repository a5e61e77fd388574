// Pings against the hub: those that measure bandwidth or keep a connection alive pass, a flood ends its connection.
import { Buffer } from "node:buffer";
import * as http2 from "node:http2";
import { setTimeout } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLog } from "../../src/contract/runtime.ts";
import { packet } from "../process/client.ts";
import { RawCall, request } from "../process/raw-client.ts";
import { within } from "../support/deadline.ts";
import { eventually } from "../support/eventually.ts";
import { delivery, plan } from "../support/fake-plans.ts";
import { runInterop } from "../support/interop.ts";
import { serveHub, type TestHub } from "../support/serve-hub.ts";
import { createAuthority } from "../support/tls.ts";
import { testWithTool } from "../support/tools.ts";

for (const mode of ["cleartext", "mTLS"] as const) {
  const test = suite(`pings, ${mode}`);
  const authority = createAuthority("authority");
  const room = delivery(1000, {
    credits: { maxMessages: 5000, maxBytes: 64 << 20 },
    buffer: { maxMessages: 5000, maxBytes: 64 << 20 },
  });
  const refusals: string[] = [];
  let hub: TestHub;

  test.before(async () => {
    const log = { ...silentLog, warn: (message: string) => void refusals.push(message) };
    hub = await serveHub(plan(["a>b"], room), { tls: mode === "mTLS" ? authority.issue("hub") : null, log });
  });
  test.before.each(() => void refusals.splice(0));
  test.after(async () => {
    await hub[Symbol.asyncDispose]();
  });

  const dial = () => {
    const tls = mode === "mTLS" ? { ...authority.issue("engram"), servername: "localhost" } : {};
    // the tests see what a connection's end means by what they wait for
    return http2.connect(hub.url, tls).on("error", () => {});
  };
  const ping = (session: http2.ClientHttp2Session) =>
    within(
      5_000,
      "answer to a ping",
      new Promise<void>((resolve, reject) => {
        session.ping((error) => error === null ? resolve() : reject(error));
      }),
    );

  test("a flood of pings gets GOAWAY ENHANCE_YOUR_CALM too_many_pings, and its connection alone ends", async () => {
    const [flooding, other] = [dial(), dial()];
    const calls = [new RawCall(flooding, "c"), new RawCall(other, "d")];
    await eventually("both streams", () => ["c", "d"].every((step) => hub.hub.connected("demo", "run", step)));
    const told = new Promise<unknown[]>((resolve) => {
      flooding.once("goaway", (code, _last, data: Buffer) => resolve([code, Buffer.from(data).toString()]));
    });
    const closed = new Promise<void>((resolve) => flooding.once("close", () => resolve()));
    calls[0]!.stream.on("error", () => {});
    for (let n = 0; n < 100 && !flooding.destroyed; n++) {
      await Promise.race([ping(flooding).catch(() => {}), closed]);
    }
    const { NGHTTP2_ENHANCE_YOUR_CALM } = http2.constants;
    assert.equal(await within(5_000, "GOAWAY", told), [NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings"]);
    await within(5_000, "end of the connection", closed);
    await eventually("end of c", () => !hub.hub.connected("demo", "run", "c"));
    assert.ok(hub.hub.connected("demo", "run", "d"));
    assert.equal(refusals, ["connection ended"]);
    await ping(other);
    other.destroy();
  });

  test("a ping whenever data came passes, a thousand times over", async () => {
    const [sending, receiving] = [dial(), dial()];
    const b = new RawCall(receiving, "b").read();
    const a = new RawCall(sending, "a").read();
    await eventually("both streams", () => ["a", "b"].every((step) => hub.hub.connected("demo", "run", step)));
    let pings = 0;
    let isMeasuring = false;
    b.stream.on("data", () => {
      if (isMeasuring) return;
      isMeasuring = true;
      void ping(receiving).then(() => {
        pings++;
        isMeasuring = false;
      });
    });
    for (let n = 0; n < 1000; n++) {
      const before = b.packets.length;
      a.stream.write(request(packet(String(n))));
      await eventually(`packet ${n}`, () => b.packets.length > before && !isMeasuring);
    }
    assert.ok(pings >= 900, `${pings} pings`);
    assert.equal(refusals, []);
    for (const session of [sending, receiving]) session.destroy();
  });

  testWithTool(test, "interop", "what grpc-go sends to estimate bandwidth passes", async (path) => {
    const { mkdtemp, rm, writeFile } = await import("node:fs/promises");
    const { tmpdir } = await import("node:os");
    const folder = await mkdtemp(`${tmpdir()}/bobravoz-pings-`);
    try {
      const own = authority.issue("engram");
      await writeFile(`${folder}/tls.crt`, own.cert);
      await writeFile(`${folder}/tls.key`, own.key);
      await writeFile(`${folder}/ca.crt`, own.ca);
      const tls = mode === "mTLS" ? ["-tls", folder, "-server-name", "localhost"] : [];
      const client = (...more: string[]) => runInterop(path, ["client", "-hub", hub.address, ...tls, ...more]);
      await using b = client("-step", "b", "-receive", "600");
      // bursts with quiet between them: an estimate starts anew with each
      for (let burst = 1; burst <= 3; burst++) {
        await using a = client("-step", "a", "-send", "200", "-bytes", "30000");
        await a.line("sent");
        await b.line("packet", burst * 200, 20_000);
        await setTimeout(50);
      }
      assert.is((await b.line("ended")).code, "OK");
      assert.equal(refusals, []);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test.run();
}
