// DECISIONS W-01 over real connections: every combination of certificate, token and claim, on every way in.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DiscoveryService, GetBindingRequestSchema } from "../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { HubService } from "../gen/transport/v1/hub_pb.ts";
import { systemClock } from "../src/adapters/clock.ts";
import type { CallStatus } from "../src/adapters/grpc/call.ts";
import { GrpcChannel } from "../src/adapters/grpc/channel.ts";
import { callUnary, pathOf } from "../src/adapters/grpc/codec.ts";
import type { IdentityCount } from "../src/adapters/identity/gate.ts";
import type { TokenReviewer } from "../src/adapters/identity/token-review.ts";
import { isTransportError } from "../src/contract/errors.ts";
import type { TokenProof } from "../src/contract/identity.ts";
import { requestHeaders } from "../src/contract/names.ts";
import { within } from "./support/deadline.ts";
import { eventually } from "./support/eventually.ts";
import {
  all,
  aPacket,
  bed,
  certificates,
  claims,
  Client,
  identity,
  ours,
  runner,
  textOf,
  tokens,
  ways,
} from "./support/identity-bed.ts";

const test = suite("identity on every way in");

const isProven = (reason: string): boolean => /^(Proven|NamespaceProven|NamespaceOnly)$/.test(reason);

test("enforce: no combination of certificate, token and claim passes beyond its proof, and none is refused within it", async () => {
  await using t = await bed("enforce");
  const wrong: string[] = [];
  const seen = { accepted: 0, refused: 0 };
  await all(t, (name, outcome, may) => {
    if (outcome !== (may ? "accepted" : "refused")) wrong.push(`${name}: ${outcome}`);
    else seen[outcome as "accepted" | "refused"]++;
  });
  assert.equal(wrong, []);
  const count = 5 * Object.keys(ways).length * Object.keys(tokens).length * Object.keys(claims).length;
  assert.is(seen.accepted + seen.refused, count);
  assert.ok(seen.accepted > 100 && seen.refused > 500, JSON.stringify(seen));
  const counted = [...t.gates.hub!.counts(), ...t.gates.discovery!.counts()];
  assert.is(counted.reduce((sum, { count }) => sum + count, 0), count);
  const accepted = counted.filter(({ reason }) => isProven(reason));
  assert.is(accepted.reduce((sum, { count }) => sum + count, 0), seen.accepted);
  // seven tokens that one gate each asked about once, and then remembered, but for refused ones
  assert.ok(t.asked.length < 40, `${t.asked.length} reviews`);
});

test("observe: every combination passes, and each is counted by what it would have been", async () => {
  await using t = await bed("observe");
  const wanted = { proven: 0, unproven: 0 };
  await all(t, (name, outcome, may) => {
    assert.is(outcome, "accepted", name);
    wanted[may ? "proven" : "unproven"]++;
  });
  const counts = () => [...t.gates.hub!.counts(), ...t.gates.discovery!.counts()];
  const sum = (of: readonly IdentityCount[]) => of.reduce((sum, { count }) => sum + count, 0);
  await eventually("every verdict", () => sum(counts()) === wanted.proven + wanted.unproven);
  assert.ok(counts().every(({ mode }) => mode === "observe"));
  assert.is(sum(counts().filter(({ reason }) => isProven(reason))), wanted.proven);
  const reasons = new Set(counts().map(({ reason }) => reason));
  for (
    const reason of [
      "OtherNamespace",
      "OtherRun",
      "OtherStep",
      "OtherServiceAccount",
      "NoPod",
      "NoProof",
      "NoToken",
    ] as const
  ) {
    assert.ok(reasons.has(reason), reason);
  }
  const told = t.lines.filter(({ message }) => message === "identity not proven");
  assert.ok(told.length > 0 && told.length < 60, `${told.length} lines`);
  assert.not.match(JSON.stringify(t.lines), textOf("right"));
});

test("off: every combination passes, and nobody is asked or counted", async () => {
  await using t = await bed("off");
  await all(t, (name, outcome) => assert.is(outcome, "accepted", name), ["names no namespace"]);
  assert.equal([t.asked.length, t.gates.hub!.counts().length, t.lines.length], [0, 0, 0]);
});

test("a certificate of another authority, one that has ended, and none do not connect in any mode", async () => {
  for (const mode of ["enforce", "observe", "off"] as const) {
    await using t = await bed(mode);
    for (const [name, { tls, proves }] of Object.entries(certificates)) {
      if (proves !== null) continue;
      const { host, port } = new URL(t.hub.url);
      const address = `${host.split(":")[0]}:${port}`;
      const { ca, cert = "", key = "" } = tls ?? { ca: ours.ca };
      const channel = new GrpcChannel({ address, tls: { ca, cert, key, serverName: "localhost" }, clock: systemClock });
      const failed = await within(
        5_000,
        name,
        channel.unary("/x/y", new Uint8Array()).catch((error: unknown) => error),
      );
      assert.ok(isTransportError(failed, "Unavailable"), `${mode} ${name}: ${failed}`);
      await channel.close();
    }
  }
});

test("what a refused stream has sent already reaches nobody, and takes the place of no stream", async () => {
  await using t = await bed("enforce");
  await using client = new Client(t.hub.address, certificates["service of demo"]!.tls!);
  const headers = { authorization: `Bearer ${textOf("right")}` };
  const path = pathOf(HubService.method.process);
  const open = (metadata: Record<string, string>) => {
    const ended = Promise.withResolvers<CallStatus>();
    const accepted = Promise.withResolvers<void>();
    const stream = client.channel.stream(path, { metadata: { ...metadata, ...identity(claims["right"]!) } }, {
      headers: () => accepted.resolve(),
      message: () => true,
      end: (status) => ended.resolve(status),
    });
    return { stream, accepted: accepted.promise, ended: ended.promise };
  };
  const legitimate = open(headers);
  await within(5_000, "the right stream", legitimate.accepted);
  for (const token of ["other step", "other run", "expired"]) {
    const impostor = open({ authorization: `Bearer ${textOf(token)}`, [requestHeaders.generation]: "9" });
    impostor.stream.write(aPacket());
    assert.is((await within(5_000, "a refusal", impostor.ended)).code, Code.PermissionDenied);
  }
  assert.is(t.hub.hub.facts().counters.packets, 0);
  legitimate.stream.write(aPacket());
  await eventually("the packet of the right stream", () => t.hub.hub.facts().counters.packets === 1);
  legitimate.stream.cancel();
});

test("while a token is under review nothing is read, and what came meanwhile follows in order", async () => {
  const answer = Promise.withResolvers<TokenProof>();
  await using t = await bed("enforce", () => answer.promise);
  await using client = new Client(t.hub.address, certificates["service of demo"]!.tls!);
  const metadata = { authorization: `Bearer ${textOf("right")}`, ...identity(claims["right"]!) };
  let isAccepted = false;
  const open = () =>
    client.channel.stream(pathOf(HubService.method.process), { metadata }, {
      headers: () => isAccepted = true,
      message: () => true,
      end() {},
    });
  const stream = open();
  for (let n = 0; n < 5; n++) stream.write(aPacket());
  stream.flush();
  // one that leaves while it waits leaves nothing behind
  const gone = open();
  gone.write(aPacket());
  gone.flush();
  await eventually("a stream under way", () => client.channel.isConnected);
  await callUnary(
    client.channel,
    DiscoveryService.method.getBinding,
    create(GetBindingRequestSchema, claims["right"]!),
  );
  gone.cancel();
  assert.equal([isAccepted, t.hub.hub.facts().activeStreams, t.hub.hub.facts().counters.packets], [false, 0, 0]);
  await callUnary(
    client.channel,
    DiscoveryService.method.getBinding,
    create(GetBindingRequestSchema, claims["right"]!),
  );
  answer.resolve(runner("demo", "run", "a"));
  await eventually("five packets", () => t.hub.hub.facts().counters.packets === 5);
  assert.is(t.hub.hub.facts().activeStreams, 1);
  stream.cancel();
  await eventually("the end of the stream", () => t.hub.hub.facts().activeStreams === 0);
});

test("an API server that does not answer holds nobody up under observe, and under enforce is a failure to try again", async () => {
  const broken: TokenReviewer["review"] = () => Promise.reject(new Error("connection refused"));
  for (const mode of ["observe", "enforce"] as const) {
    await using t = await bed(mode, broken);
    await using client = new Client(t.hub.address, certificates["service of demo"]!.tls!);
    const metadata = { authorization: `Bearer ${textOf("right")}`, ...identity(claims["right"]!) };
    const ended = new Promise<number>((resolve) => {
      const stream = client.channel.stream(pathOf(HubService.method.process), { metadata }, {
        headers: () => stream.cancel(),
        message: () => true,
        end: ({ code }) => resolve(code),
      });
    });
    assert.is(await within(5_000, "an end", ended), mode === "enforce" ? Code.Unavailable : Code.Canceled);
    await eventually("a count", () => t.gates.hub!.counts().some(({ reason }) => reason === "ReviewFailed"));
  }
});

test("without proof ExplainTopology answers, and a list of all namespaces is for nobody", async () => {
  await using t = await bed("enforce");
  await using client = new Client(t.hub.address, certificates["names no namespace"]!.tls!);
  const calls = createClient(DiscoveryService, client.transport);
  const explained = await calls.explainTopology({}).catch((error: unknown) => ConnectError.from(error).code);
  assert.is(explained, Code.InvalidArgument);
  const headers = { authorization: `Bearer ${textOf("right")}` };
  const listed = await calls.listBindings({}, { headers }).catch((error: unknown) => ConnectError.from(error).code);
  assert.is(listed, Code.PermissionDenied);
  const metrics = await (await fetch(`http://${t.hub.served.adminAddress}/metrics`)).text();
  assert.match(
    metrics,
    /bobravoz_identity_verdicts_total\{surface="discovery",mode="enforce",reason="AllNamespaces"\} 1/,
  );
});

test.run();
