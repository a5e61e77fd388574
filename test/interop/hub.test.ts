// grpc-go's HTTP/2 against the hub: windows, deadlines, cancellation, pings, header limits, many short streams.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { delivery, plan } from "../support/fake-plans.ts";
import { runInterop } from "../support/interop.ts";
import { serveHub, type TestHub } from "../support/serve-hub.ts";
import { createAuthority } from "../support/tls.ts";
import { testWithTool } from "../support/tools.ts";

for (const mode of ["cleartext", "mTLS"] as const) {
  const test = suite(`grpc-go against the hub, ${mode}`);
  const room = delivery(1000, {
    credits: { maxMessages: 50, maxBytes: 64 << 20 },
    buffer: { maxMessages: 1000, maxBytes: 64 << 20 },
  });
  let hub: TestHub;
  let folder = "";

  test.before(async () => {
    const authority = createAuthority("authority");
    folder = await mkdtemp(join(tmpdir(), "bobravoz-interop-"));
    const own = authority.issue("engram");
    await writeFile(join(folder, "tls.crt"), own.cert);
    await writeFile(join(folder, "tls.key"), own.key);
    await writeFile(join(folder, "ca.crt"), own.ca);
    hub = await serveHub(plan(["a>b"], room), { tls: mode === "mTLS" ? authority.issue("hub") : null });
  });
  test.after(async () => {
    await hub[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const client = (path: string, step: string, ...more: string[]) =>
    runInterop(path, [
      ...["client", "-hub", hub.address, "-step", step],
      ...mode === "mTLS" ? ["-tls", folder, "-server-name", "localhost"] : [],
      ...more,
    ]);

  testWithTool(test, "interop", "500 packets of 60 KB pass in order, with credits given back", async (path) => {
    await using b = client(path, "b", "-receive", "500");
    await using a = client(path, "a", "-send", "500", "-bytes", "60000");
    const ended = await b.line("ended", 1, 30_000);
    assert.equal([ended.code, ended.message], ["OK", ""]);
    const ids = b.lines.filter((line) => line.event === "packet").map((line) => Number(line.id));
    assert.equal(ids, Array.from({ length: 500 }, (_, i) => i + 1));
    await a.line("sent");
  });

  testWithTool(test, "interop", "20 streams one after the other each end as their client ends them", async (path) => {
    await using a = client(path, "c", "-sessions", "20", "-cancel-after", "20ms");
    await a.line("ended", 20, 20_000);
    assert.is(await a.exited(), 0);
    const codes = a.lines.filter((line) => line.event === "ended").map((line) => line.code);
    assert.equal([...new Set(codes)], ["Canceled"]);
  });

  testWithTool(test, "interop", "a deadline and a message over the limit end with their status", async (path) => {
    await using late = client(path, "d", "-timeout", "200ms");
    assert.is((await late.line("ended")).code, "DeadlineExceeded");
    await using large = client(path, "e", "-send", "1", "-bytes", "11000000");
    const ended = await large.line("ended");
    assert.is(ended.code, "ResourceExhausted");
    assert.match(String(ended.message), "over the limit of 10485760 bytes");
  });

  testWithTool(test, "interop", "a stale generation is refused and the newer one goes on", async (path) => {
    await using newer = client(path, "f", "-generation", "5");
    await eventually("stream of f", () => hub.hub.connected("demo", "run", "f"));
    await using older = client(path, "f", "-generation", "4");
    const ended = await older.line("ended");
    assert.is(ended.code, "FailedPrecondition");
    assert.match(String(ended.message), "generation 4");
    assert.equal(newer.lines.filter((line) => line.event === "ended"), []);
  });

  testWithTool(
    test,
    "interop",
    "headers of 60 KB pass, and what is too large ends that connection alone",
    async (path) => {
      await using large = client(path, "g", "-header-bytes", "60000", "-timeout", "300ms");
      assert.is((await large.line("ended")).code, "DeadlineExceeded");
      await using huge = client(path, "g", "-header-bytes", "200000", "-timeout", "1s");
      assert.not(["OK", "DeadlineExceeded"].includes(String((await huge.line("ended")).code)));
      await using after = client(path, "h", "-timeout", "200ms");
      assert.is((await after.line("ended")).code, "DeadlineExceeded");
    },
  );

  testWithTool(test, "interop", "a hub that stops says so to each stream", async (path) => {
    await using b = client(path, "i");
    await eventually("stream of i", () => hub.hub.connected("demo", "run", "i"));
    await hub.served.close(500);
    const ended = await b.line("ended");
    assert.equal([ended.code, ended.message], ["Unavailable", "the hub is stopping"]);
  });

  test.run();
}
