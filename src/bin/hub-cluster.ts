/**
 * `bobravoz hub --in-cluster`: one of several hubs over a Kubernetes API server. It reads the world itself and holds the
 * runs that their bindings place on it, with or without a controller.
 */
import { lateCluster } from "../adapters/cluster/late.ts";
import { systemClock } from "../adapters/clock.ts";
import { listenMetrics } from "../adapters/http/metrics-port.ts";
import { identityGate } from "../adapters/identity/gate.ts";
import { createLog } from "../adapters/log.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import { readHubConfig } from "../contract/hub-config.ts";
import { type OperatorConfig, readOperatorConfig, variablesOf } from "../contract/operator-config.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import { renewCertificates } from "./certificate-renewal.ts";
import { bindAddress, readMetrics } from "./controller-options.ts";
import { drainLimitMs } from "./hub-drain.ts";
import { hubSet } from "./hub-placement.ts";
import type { Io } from "./io.ts";
import { loadKube } from "./kube-client.ts";
import { readTls } from "./listen.ts";
import { type Node, startNode } from "./node.ts";
import { acceptConfiguration, OperatorSettings } from "./operator-settings.ts";
import { choice, type OptionValues, usage } from "./options.ts";
import { version } from "./version-text.ts";

type Client = ReturnType<typeof openClient>;
type ConfigData = Readonly<Record<string, string>> | null;

/** Pauses between tries while the API server cannot be reached. */
const retryMs = 1_000;

/** Runs it until a signal; `values` are the flags of `bobravoz hub`. */
export async function runInCluster(values: OptionValues, io: Io): Promise<number> {
  const text = (name: string): string | undefined => values[name] as string | undefined;
  const { env } = io;
  const clock = systemClock;
  const log = createLog({
    level: env["BUBU_DEBUG"] ? "debug" : choice("hub", "zap-log-level", text("zap-log-level"), logLevels),
  });
  const listen = bindAddress("--listen", text("listen") ?? "127.0.0.1:9000");
  if (listen === null) throw usage("hub", "--listen cannot be off");
  const probes = bindAddress(
    "--health-probe-bind-address",
    text("health-probe-bind-address") ?? text("health-listen") ?? ":8081",
  );
  const metricsAt = readMetrics((name) => text(name), values, "hub");
  const where = {
    namespace: text("config-namespace") ?? "bobrapet-system",
    name: text("config-name") ?? "bobravoz-grpc-operator-config",
  };
  const own = ownHub(env, text("advertise"), where.namespace);
  const tls = await readTls(env, listen.host);

  // what the ConfigMap says comes with the client, after the ports answer
  const read = (configMap: ConfigData) => readOperatorConfig({ configMap, env, flags: {} });
  const first = read(null);
  if (first.refusals.length > 0) throw new TransportError("InvalidConfiguration", first.refusals.join("; "));
  const known = { config: first.config as OperatorConfig, node: null as Node | null, client: null as Client | null };
  // until then nobody is let in whom `hub.identity` might refuse
  const configured = Promise.withResolvers<void>();
  const stop = new AbortController();
  const follows: Promise<void>[] = [];
  const takeOver = (data: ConfigData): void => {
    const started = read(data);
    const { config, faults } = readHubConfig(variablesOf({ configMap: data, env }));
    acceptConfiguration(started, log, faults);
    known.config = started.config;
    configured.resolve();
    known.node!.hub.setLimits(config);
  };
  const open = () => known.client ??= openClient(text("kubeconfig"), text("context"));
  const cluster = lateCluster(async () => {
    const { kube, api, KubeCluster } = await open();
    takeOver(await patiently(() => kube.readConfigMap(api, where, stop.signal), clock, log, stop.signal));
    const settings = new OperatorSettings({ read: read(null), program: "hub", log, onInForce: () => {} });
    follows.push(kube.followConfigMap(where, (data) => settings.update(read(data)), stop.signal));
    return new KubeCluster({ api, clock, log, recorder: "bobravoz-hub", namespace: text("watch-namespace") ?? "" });
  });

  const reviewer = {
    review: async (token: string, signal: AbortSignal) => {
      const { kube, api } = await open();
      return await kube.tokenReviewer({ api }).review(token, signal);
    },
  };
  const gate = (surface: "hub" | "discovery") =>
    tls === null ? null : identityGate({
      surface,
      mode: () => known.config[`${surface}.identity`],
      known: configured.promise,
      reviewer,
      clock,
      log,
    });
  const node = known.node = await startNode({
    cluster,
    listen,
    admin: probes,
    metricsApart: metricsAt !== null,
    tls,
    decide: { peerTls: tls !== null },
    advertised: own.address,
    place: own,
    identity: { hub: gate("hub"), discovery: gate("discovery") },
    config: readHubConfig((name) => env[name]).config,
    clock,
    log,
  });
  log.info("hub listens", {
    address: node.address,
    health: node.adminAddress ?? "",
    tls: tls !== null,
    holds: own.address,
  });
  void node.control.synced.then(() => log.info("hub is ready", { sinceStartMs: Math.round(performance.now()) }));
  const renewal = tls === null
    ? null
    : renewCertificates({ tls, read: () => readTls(env, listen.host), server: node.server, clock, log });
  const metricsPort = metricsAt === null ? null : await listenMetrics({
    ...metricsAt.address,
    metrics: node.metrics,
    secure: metricsAt.secure === null ? null : { ...metricsAt.secure, mayRead: mayReadMetrics(open, clock) },
    clock,
    log,
  });
  const stopped = new Promise<void>((resolve) => io.signal.addEventListener("abort", () => resolve(), { once: true }));
  try {
    await Promise.race([stopped, node.watching]);
  } finally {
    log.info("hub stops", { reason: io.signal.aborted ? "signal" : "cluster" });
    await node.close(drainLimitMs);
    // also what waits for an API server that does not answer
    stop.abort();
    renewal?.cancel();
    await metricsPort?.close();
    await Promise.allSettled(follows);
    // one that could not be opened has nothing to close
    await known.client?.then(({ api }) => api.close(), () => {});
  }
  return io.signal.aborted ? 0 : 1;
}

const logLevels = ["info", "debug", "warn", "error"] as const;

/** This hub among the others: `--advertise`, else the pod's DNS name; `BUBU_HUB_ENDPOINT` is every run's address. */
function ownHub(env: Io["env"], advertise: string | undefined, namespace: string) {
  const hubs = hubSet(env, namespace);
  const first = hubs.address(`${hubs.name}-0`);
  const fixed = env["BUBU_HUB_ENDPOINT"]?.trim() ?? "";
  if (fixed !== "") return { address: fixed, first, isOnly: true };
  const pod = env["POD_NAME"]?.trim() ?? "";
  if (advertise !== undefined) return { address: advertise, first, isOnly: false };
  if (pod === "") {
    throw new TransportError(
      "InvalidConfiguration",
      "a hub in a cluster needs POD_NAME, --advertise or BUBU_HUB_ENDPOINT",
    );
  }
  return { address: hubs.address(pod), first, isOnly: false };
}

async function openClient(kubeconfig: string | undefined, context: string | undefined) {
  const [kube, { KubeCluster }] = await Promise.all([loadKube(), import("../adapters/cluster/kube.ts")]);
  const api = await kube.openKubeApi({ kubeconfig, context, userAgent: `bobravoz-hub/${version}` });
  return { kube, api, KubeCluster };
}

function mayReadMetrics(open: () => Client, clock: Clock) {
  let access: ((token: string, signal: AbortSignal) => Promise<boolean>) | null = null;
  return async (token: string, signal: AbortSignal): Promise<boolean> => {
    const { kube, api } = await open();
    access ??= kube.metricsAccess(api, clock);
    return await access(token, signal);
  };
}

/** Asks again while nobody answers: a hub that restarts while the API server is away comes up when that does. */
async function patiently<T>(ask: () => Promise<T>, clock: Clock, log: Log, signal: AbortSignal): Promise<T> {
  for (let isLogged = false;; isLogged = true) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTransportError(error, "Unavailable")) throw error;
      if (!isLogged) log.warn("API server does not answer", { error: error.message });
      await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      signal.throwIfAborted();
    }
  }
}
