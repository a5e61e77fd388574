/** A hub with discovery that looks at identities, every way into it, and every combination of what a caller may show. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  DiscoveryService,
  GetBindingRequestSchema,
  WatchBindingsRequestSchema,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { HubService, ProcessRequestSchema } from "../../gen/transport/v1/hub_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { MemoryCluster } from "../../src/adapters/cluster/memory.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { callUnary, pathOf } from "../../src/adapters/grpc/codec.ts";
import type { CallStatus, Metadata } from "../../src/adapters/grpc/call.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { authorizeBy } from "../../src/adapters/identity/caller.ts";
import { identityGate, type IdentityGates } from "../../src/adapters/identity/gate.ts";
import type { TokenReviewer } from "../../src/adapters/identity/token-review.ts";
import { clientSessions } from "../../src/adapters/rpc/client-sessions.ts";
import { addDiscovery } from "../../src/adapters/rpc/discovery.ts";
import { isTransportError } from "../../src/contract/errors.ts";
import type { IdentityMode, TokenProof } from "../../src/contract/identity.ts";
import { requestHeaders } from "../../src/contract/names.ts";
import { type Log, silentLog } from "../../src/contract/runtime.ts";
import { ConnectorReports } from "../../src/control/reports.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { PlanSource } from "../../src/hub/plans.ts";
import { BindingSnapshot } from "../../src/control/snapshot.ts";
import { within } from "./deadline.ts";
import { eventually } from "./eventually.ts";
import { decided, describe, FakeDecisions } from "./fake-decisions.ts";
import { delivery, plan } from "./fake-plans.ts";
import { binding as transportBinding, storyRun as storyRunObject } from "./objects.ts";
import { serveHub, type TestHub } from "./serve-hub.ts";
import { createAuthority } from "./tls.ts";

export interface Claimed {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
}

export const claims: Readonly<Record<string, Claimed>> = {
  "right": { namespace: "demo", storyRun: "run", step: "a" },
  "other step": { namespace: "demo", storyRun: "run", step: "b" },
  "other run": { namespace: "demo", storyRun: "run-2", step: "a" },
  "other namespace": { namespace: "other", storyRun: "run", step: "a" },
};

export const [ours, others] = [createAuthority("ours"), createAuthority("others")];

/** Certificates with the namespace that each proves; null: the connection does not stand. */
export const certificates: Readonly<Record<string, { readonly tls: TlsFiles | null; readonly proves: string | null }>> =
  {
    "service of demo": { tls: ours.issue("c", ["a.demo.svc.cluster.local"]), proves: "demo" },
    "wildcard of demo": { tls: ours.issue("c", ["*.demo.svc"]), proves: "demo" },
    "SPIFFE of demo": { tls: ours.issue("c", ["spiffe://cluster.local/ns/demo/sa/x"]), proves: "demo" },
    "other namespace": { tls: ours.issue("c", ["a.other.svc.cluster.local"]), proves: "other" },
    "names no namespace": { tls: ours.issue("c"), proves: "" },
    "other CA": { tls: { ...others.issue("c", ["a.demo.svc"]), ca: ours.ca }, proves: null },
    "expired": { tls: ours.issue("c", ["a.demo.svc"], true), proves: null },
    "none": { tls: null, proves: null },
  };

const pod = (name: string, storyRun: string, step: string) => ({ name, step, storyRun, storyRunLabel: storyRun });
export const runner = (namespace: string, run: string, step: string): TokenProof => ({
  namespace,
  serviceAccount: `${run}-engram-runner`,
  pod: pod(`${run}-${step}`, run, step),
});

/** Tokens by name, with what the scripted API server says of each. */
export const tokens: Readonly<Record<string, TokenProof | "refused" | null>> = {
  "none": null,
  "right": runner("demo", "run", "a"),
  "other step": runner("demo", "run", "b"),
  "other run": runner("demo", "run-2", "a"),
  "other namespace": runner("other", "run", "a"),
  "not of an engram runner": { ...runner("demo", "run", "a"), serviceAccount: "default" },
  "not of a pod": { ...runner("demo", "run", "a"), pod: null },
  "expired": "refused",
};

export const textOf = (token: string): string => `h.${Buffer.from(token).toString("base64url")}.s`;

/** What the claim needs, said once more and otherwise than in the rule that is tested. */
function mayPass(way: Way, proves: string | null, token: TokenProof | "refused" | null, claim: Claimed): boolean {
  if (proves === null || token === "refused") return false;
  const ofPod = token?.namespace === claim.namespace && token.serviceAccount === `${claim.storyRun}-engram-runner` &&
    token.pod?.storyRun === claim.storyRun && token.pod.step === claim.step;
  if (way.startsWith("hub")) return proves === claim.namespace && (token === null || ofPod);
  if (way.startsWith("report")) return ofPod;
  return proves === claim.namespace || token?.namespace === claim.namespace;
}

export interface Bed extends AsyncDisposable {
  readonly hub: TestHub;
  readonly gates: IdentityGates;
  /** Tokens that were asked about. */
  readonly asked: string[];
  readonly lines: Record<string, unknown>[];
}

export async function bed(mode: IdentityMode, review?: TokenReviewer["review"]): Promise<Bed> {
  const asked: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const log: Log = { ...silentLog, warn: (message, fields) => lines.push({ message, ...fields }) };
  const reviewer: TokenReviewer = {
    review: review ?? ((token) => {
      asked.push(token);
      const name = Object.keys(tokens).find((name) => textOf(name) === token);
      return Promise.resolve(tokens[name ?? ""] ?? "refused");
    }),
  };
  const gate = (surface: "hub" | "discovery") => identityGate({ surface, mode, reviewer, clock: systemClock, log });
  const gates = { hub: gate("hub"), discovery: gate("discovery") };
  const decisions = new FakeDecisions();
  const cluster = new MemoryCluster(systemClock);
  for (const [namespace, run] of [["demo", "run"], ["demo", "run-2"], ["other", "run"]] as const) {
    const steps = ["a", "b"].map((step) => describe(namespace, run, step));
    for (const { name, step } of steps) {
      const object = transportBinding(name, storyRunObject(run, "voice"), step);
      cluster.put({ ...object, metadata: { ...object.metadata, namespace } });
    }
    decisions.set(decided(namespace, run, steps));
  }
  const snapshot = new BindingSnapshot(decisions);
  const reports = new ConnectorReports({
    cluster,
    binding: (namespace, name) => cluster.get("TransportBinding", namespace, name),
    clock: systemClock,
    log: silentLog,
  });
  const shape = plan(["a>b"], delivery(10));
  const plans: PlanSource = {
    plan: (namespace, storyRun) => ({ ...shape, namespace, storyRun }),
    subscribe: () => () => {},
    holder: () => "here",
  };
  const hub = await serveHub(plans, {
    tls: ours.issue("hub"),
    identity: gates,
    log,
    admin: true,
    services: (router) =>
      addDiscovery(router, {
        decisions,
        snapshot,
        reports,
        traffic: null,
        clock: systemClock,
        authorize: authorizeBy(gates.discovery),
      }),
  });
  return {
    hub,
    gates,
    asked,
    lines,
    async [Symbol.asyncDispose]() {
      reports.close();
      snapshot.close();
      await hub[Symbol.asyncDispose]();
    },
  };
}

/** One client certificate: our own gRPC, which has the fast paths, and Connect, which goes by the adapter. */
export class Client implements AsyncDisposable {
  readonly channel: GrpcChannel;
  readonly transport: Transport;
  readonly #sessions: ReturnType<typeof clientSessions>;

  constructor(address: string, tls: TlsFiles) {
    this.channel = new GrpcChannel({ address, tls: { ...tls, serverName: "localhost" }, clock: systemClock });
    const baseUrl = `https://${address}`;
    this.#sessions = clientSessions(baseUrl, { ...tls, servername: "localhost" });
    this.transport = createConnectTransport({ httpVersion: "2", baseUrl, sessionManager: this.#sessions });
  }

  async [Symbol.asyncDispose]() {
    this.#sessions.abort();
    await this.channel.close();
  }
}

export type Outcome = "accepted" | "refused" | "no connection";

export const ways = {
  "hub, fast path": (client, headers, claim) =>
    streamOutcome(client, pathOf(HubService.method.process), { ...headers, ...identity(claim) }, aPacket()),
  "hub, Connect": ({ transport }, headers, claim, hub) =>
    outcomeOf(async () => {
      const stop = new AbortController();
      const options = { headers: { ...headers, ...identity(claim) }, signal: stop.signal };
      const calls = createClient(HubService, transport).process(onePacket(stop.signal), options);
      const read = (async () => {
        for await (const _ of calls) break;
      })();
      const ended = read.then(() => null, (error: unknown) => error);
      // it says nothing of an accepted stream before it has something to send
      const taken = eventually("a stream", () => hub.facts().activeStreams > 0).then(() => null);
      taken.catch(() => {});
      const error = await Promise.race([ended, taken]);
      stop.abort();
      await ended;
      if (error !== null) throw error;
      await eventually("the end of the stream", () => hub.facts().activeStreams === 0);
    }),
  "read, unary": ({ channel }, headers, claim) =>
    outcomeOf(() =>
      callUnary(channel, DiscoveryService.method.getBinding, create(GetBindingRequestSchema, claim), {
        metadata: headers,
      })
    ),
  "read, list": ({ transport }, headers, claim) =>
    outcomeOf(() => createClient(DiscoveryService, transport).listBindings({ selector: claim }, { headers })),
  "read, fast watch": (client, headers, claim) =>
    streamOutcome(client, pathOf(DiscoveryService.method.watchBindings), headers, subscribe(claim)),
  "read, watch by Connect": ({ transport }, headers, claim) =>
    outcomeOf(async () => {
      const requests = createClient(DiscoveryService, transport).watchBindings(once(subscription(claim)), { headers });
      for await (const _ of requests) break;
    }),
  "read, follow": ({ transport }, headers, claim) =>
    outcomeOf(async () => {
      const followed = createClient(DiscoveryService, transport).followBindings({ selectors: [claim] }, { headers });
      for await (const _ of followed) break;
    }),
  "report": ({ transport }, headers, claim) =>
    outcomeOf(() =>
      createClient(DiscoveryService, transport).reportConnector({ ...claim, generation: 1, state: 2 }, { headers })
    ),
} satisfies Record<
  string,
  (client: Client, headers: Record<string, string>, claim: Claimed, hub: Hub) => Promise<Outcome>
>;

export type Way = keyof typeof ways;

export function identity({ namespace, storyRun, step }: Claimed): Record<string, string> {
  return {
    [requestHeaders.protocol]: "1.0.0",
    [requestHeaders.namespace]: namespace,
    [requestHeaders.storyRun]: storyRun,
    [requestHeaders.step]: step,
    [requestHeaders.generation]: "1",
  };
}

const packetOf = { packet: { payload: { text: "hello" } } } satisfies MessageInitShape<typeof ProcessRequestSchema>;
export const aPacket = () => toBinary(ProcessRequestSchema, create(ProcessRequestSchema, packetOf));

async function* onePacket(stopped: AbortSignal) {
  yield packetOf;
  await new Promise<void>((resolve) => stopped.addEventListener("abort", () => resolve(), { once: true }));
}

const subscription = (claim: Claimed): MessageInitShape<typeof WatchBindingsRequestSchema> => ({
  message: { case: "subscribe", value: { selectors: [claim] } },
});
const subscribe = (claim: Claimed) =>
  toBinary(WatchBindingsRequestSchema, create(WatchBindingsRequestSchema, subscription(claim)));

async function* once<T>(value: T) {
  yield await Promise.resolve(value);
}

/** Sends one message at once and takes the first sign of a stream: for the hub its headers, for a watch a message. */
function streamOutcome({ channel }: Client, path: string, metadata: Metadata, message: Uint8Array): Promise<Outcome> {
  const isWatch = path !== pathOf(HubService.method.process);
  return new Promise((resolve, reject) => {
    const accepted = () => {
      resolve("accepted");
      stream.cancel();
      return true;
    };
    const stream = channel.stream(path, { metadata }, {
      headers: () => void (isWatch || accepted()),
      message: accepted,
      end({ code, message }: CallStatus) {
        Promise.resolve().then(() => byCode(code, message)).then(resolve, reject);
      },
    });
    stream.write(message);
  });
}

async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  try {
    await call();
    return "accepted";
  } catch (error) {
    if (isTransportError(error)) return byCode((error.cause as CallStatus).code, error.message);
    const { code, rawMessage } = ConnectError.from(error);
    return byCode(code, rawMessage);
  }
}

function byCode(code: number, message: string): Outcome {
  if (code === Code.PermissionDenied && message.startsWith("identity refused: ")) return "refused";
  throw new Error(`code ${code}: ${message}`);
}

/** Every combination, by name, with its outcome. */
export async function all(
  bed: Bed,
  each: (name: string, outcome: Outcome, mayPass: boolean) => void,
  only: readonly string[] = Object.keys(certificates),
): Promise<void> {
  for (const [certificate, { tls, proves }] of Object.entries(certificates)) {
    if (tls === null || proves === null || !only.includes(certificate)) continue;
    await using client = new Client(bed.hub.address, tls);
    for (const way of Object.keys(ways) as Way[]) {
      for (const [token, says] of Object.entries(tokens)) {
        const headers: Record<string, string> = says === null ? {} : { authorization: `Bearer ${textOf(token)}` };
        for (const [name, claim] of Object.entries(claims)) {
          const what = `${way}: certificate ${certificate}, token ${token}, claim ${name}`;
          const outcome = await within(5_000, what, ways[way](client, headers, claim, bed.hub.hub)).catch(
            (error: unknown) => {
              throw new Error(what, { cause: error });
            },
          );
          each(what, outcome, mayPass(way, proves, says, claim));
        }
      }
    }
  }
}
