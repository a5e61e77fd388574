// Engrams on grpc-go whose connectors reach hub and peers off loopback, by mTLS; the engrams themselves stay on it.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { podAddress } from "../../src/adapters/connector/pod-address.ts";
import { eventually } from "../support/eventually.ts";
import { chain, idOf, numbers, packetsOf, type Secure } from "../support/interop-chain.ts";
import { createAuthority } from "../support/tls.ts";
import { testWithTool } from "../support/tools.ts";

const host = podAddress();
const authority = createAuthority("authority");

/** Certificates as in a cluster: the hub's for its address, the connectors' for the names of their steps. */
async function certificates(): Promise<Secure & AsyncDisposable> {
  if (host === null) throw new Error("this machine has no address beside loopback");
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-interop-"));
  const { cert, key, ca } = authority.issue("engrams", ["*.demo.svc.cluster.local"]);
  const files = { BUBU_GRPC_CLIENT_CERT_FILE: cert, BUBU_GRPC_CLIENT_KEY_FILE: key, BUBU_GRPC_CA_FILE: ca };
  const env: Record<string, string> = {};
  for (const [variable, text] of Object.entries(files)) {
    env[variable] = join(folder, variable);
    await writeFile(env[variable], text);
  }
  return {
    host,
    tls: authority.issue("hub", [host]),
    env,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

for (const mode of ["hub", "auto"] as const) {
  const test = suite(`grpc-go engrams by mTLS, ${mode === "hub" ? "over the hub" : "peer to peer"}`);

  testWithTool(test, "interop", "a source, an echo or a transformation, and a sink", async (path) => {
    for (const change of ["echo", "upper"]) {
      await using secure = await certificates();
      await using talk = await chain(path, mode, secure);
      const c = talk.run("c", "-mode", "sink");
      const b = talk.run("b", "-mode", change);
      await Promise.all([c.line("ready"), b.line("ready")]);
      talk.run("a", "-mode", "source", "-count", "200");
      await c.line("packet", 200, 20_000);
      assert.equal(packetsOf(c).map(idOf), numbers(200));
      const text = change === "upper" ? "PACKET 200" : "packet 200";
      assert.equal((packetsOf(c)[199]!.envelope as { payload: unknown }).payload, { n: 200, text });
      const edges = talk.world.node.hub.edges("demo", "run");
      if (mode === "hub") assert.equal(edges.map(({ delivered }) => delivered), [200, 200]);
      else assert.equal(edges.map(({ received }) => received), [0, 0], "nothing went through the hub");
      // not by chance over loopback
      assert.ok(talk.world.node.address.startsWith(`${host}:`));
    }
  });

  testWithTool(test, "interop", "an error packet passes the chain and ends no session", async (path) => {
    await using secure = await certificates();
    await using talk = await chain(path, mode, secure);
    const c = talk.run("c", "-mode", "sink");
    const b = talk.run("b", "-mode", "echo");
    await Promise.all([c.line("ready"), b.line("ready")]);
    talk.run("a", "-mode", "error", "-count", "2");
    await c.line("packet", 2);
    assert.is((packetsOf(c)[0]!.envelope as { kind: string }).kind, "error");
    assert.is((packetsOf(c)[0]!.payload as { message: string }).message, "it broke");
    for (const run of [b, c]) assert.equal(run.lines.filter(({ event }) => event === "session ended"), []);
  });

  testWithTool(
    test,
    "interop",
    "an engram that crashes comes back, and gets the last packet in order",
    async (path) => {
      await using secure = await certificates();
      await using talk = await chain(path, mode, secure);
      const first = talk.run("c", "-mode", "sink", "-crash-after", "5");
      const b = talk.run("b", "-mode", "echo");
      await Promise.all([first.line("ready"), b.line("ready")]);
      talk.run("a", "-mode", "source", "-count", "150", "-delay", "20ms");
      assert.is(await first.exited(), 3);
      const second = talk.run("c", "-mode", "sink");
      await eventually("the last packet", () => packetsOf(second).some((line) => idOf(line) === "150"), 15_000);
      const ids = packetsOf(second).map((line) => Number(idOf(line)));
      assert.equal(ids, [...ids].sort((x, y) => x - y));
    },
  );

  testWithTool(test, "interop", "a connector that is lost and comes back finds hub and peers again", async (path) => {
    await using secure = await certificates();
    await using talk = await chain(path, mode, secure);
    const c = talk.run("c", "-mode", "sink");
    const b = talk.run("b", "-mode", "echo");
    await Promise.all([c.line("ready"), b.line("ready")]);
    // long enough that a busy machine does not see the twentieth packet after the last was sent
    const a = talk.run("a", "-mode", "source", "-count", "200", "-delay", "25ms");
    await c.line("packet", 20, 20_000);
    await talk.restart("b");
    const again = talk.run("b", "-mode", "echo");
    await again.line("ready");
    await a.line("sent", 1, 20_000);
    await eventually("the last packet", () => packetsOf(c).some((line) => idOf(line) === "200"), 15_000);
  });

  test.run();
}
