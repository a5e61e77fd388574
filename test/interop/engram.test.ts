// An engram on grpc-go, as the contract describes it, through our connectors: over the hub, and peer to peer.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { chain, idOf, numbers, packetsOf } from "../support/interop-chain.ts";
import { testWithTool } from "../support/tools.ts";

for (const mode of ["hub", "auto"] as const) {
  const test = suite(`grpc-go engrams, ${mode === "hub" ? "over the hub" : "peer to peer"}`);

  testWithTool(
    test,
    "interop",
    "a source, a transformation and a sink: every packet, in order, changed once",
    async (path) => {
      await using talk = await chain(path, mode);
      const c = talk.run("c", "-mode", "sink");
      const b = talk.run("b", "-mode", "upper");
      await Promise.all([c.line("ready"), b.line("ready")]);
      const a = talk.run("a", "-mode", "source", "-count", "200");
      await c.line("packet", 200, 20_000);
      assert.equal(packetsOf(c).map(idOf), numbers(200));
      const last = packetsOf(c)[199]!;
      assert.is(last.frame, "application/vnd.bubu.packet+json");
      assert.equal((last.envelope as { payload: unknown }).payload, { n: 200, text: "PACKET 200" });
      assert.is(last.payload, undefined, "D-051: structured packets come without Struct fields");
      assert.is(packetsOf(b).length, 200);
      assert.is((await a.line("control")).action, "CONTROL_ACTION_CONNECTOR_READY");
      const edges = talk.world.node.hub.edges("demo", "run");
      const direct = talk.world.node.control.get("demo", "run")?.topology?.edges.filter((edge) =>
        edge.effective === "p2p"
      );
      if (mode === "hub") assert.equal(edges.map((edge) => edge.delivered), [200, 200]);
      else {
        assert.is(direct?.length, 2);
        assert.equal(edges.map((edge) => edge.received), [0, 0], "nothing went through the hub");
      }
    },
  );

  testWithTool(test, "interop", "audio frames and raw bytes arrive as they were sent", async (path) => {
    await using talk = await chain(path, mode);
    const c = talk.run("c", "-mode", "sink");
    const b = talk.run("b", "-mode", "echo");
    await Promise.all([c.line("ready"), b.line("ready")]);
    talk.run("a", "-mode", "audio", "-count", "50");
    await c.line("packet", 50, 20_000);
    assert.equal([...new Set(packetsOf(c).map((line) => `${line.frame} ${line.bytes}`))], ["audio 640"]);
    await talk.run("a", "-mode", "source", "-count", "5", "-bytes", "200000").line("sent");
    await c.line("packet", 55, 20_000);
    assert.equal(packetsOf(c).slice(50).map((line) => line.sha256), packetsOf(b).slice(50).map((line) => line.sha256));
    assert.equal([...new Set(packetsOf(c).slice(50).map((line) => line.bytes))], [200000]);
  });

  testWithTool(test, "interop", "an error packet passes the chain and ends no session", async (path) => {
    await using talk = await chain(path, mode);
    const c = talk.run("c", "-mode", "sink");
    const b = talk.run("b", "-mode", "echo");
    await Promise.all([c.line("ready"), b.line("ready")]);
    talk.run("a", "-mode", "error", "-count", "2");
    await c.line("packet", 2);
    const line = packetsOf(c)[0]!;
    assert.is((line.envelope as { kind: string }).kind, "error");
    // an SDK takes an error's payload from the Struct beside its envelope only (data-plane 6.10)
    assert.is((line.envelope as { payload?: unknown }).payload, undefined);
    assert.is((line.payload as { message: string }).message, "it broke");
    for (const run of [b, c]) assert.equal(run.lines.filter(({ event }) => event === "session ended"), []);
  });

  testWithTool(test, "interop", "a slow consumer slows its source, and nothing is lost", async (path) => {
    await using talk = await chain(path, mode);
    const c = talk.run("c", "-mode", "sink", "-delay", "2ms");
    const b = talk.run("b", "-mode", "echo");
    await Promise.all([c.line("ready"), b.line("ready")]);
    talk.run("a", "-mode", "source", "-count", "1000");
    await c.line("packet", 1000, 30_000);
    assert.equal(packetsOf(c).map(idOf), numbers(1000));
  });

  testWithTool(test, "interop", "20 sessions in a row each get their handshake", async (path) => {
    await using talk = await chain(path, mode);
    for (let session = 1; session <= 20; session++) {
      const c = talk.run("c", "-mode", "sink");
      await c.line("ready");
      c.child.kill(session % 2 === 0 ? "SIGKILL" : "SIGTERM");
      await c.exited();
    }
    const c = talk.run("c", "-mode", "sink");
    const b = talk.run("b", "-mode", "echo");
    await Promise.all([c.line("ready"), b.line("ready")]);
    talk.run("a", "-mode", "source", "-count", "10");
    await c.line("packet", 10);
  });

  testWithTool(
    test,
    "interop",
    "an engram that crashes and comes back loses only what was on its way to it",
    async (path) => {
      await using talk = await chain(path, mode);
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

  test.run();
}
