/** `bobravoz controller`: decides the runs of a cluster, publishes the decisions, and answers binding discovery. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { ControllerMetrics } from "../adapters/controller-metrics.ts";
import { systemClock } from "../adapters/clock.ts";
import { createLog } from "../adapters/log.ts";
import { authorizeBy } from "../adapters/identity/caller.ts";
import { identityGate } from "../adapters/identity/gate.ts";
import { listenMetrics } from "../adapters/http/metrics-port.ts";
import { paced } from "../adapters/pace.ts";
import { hubAddress } from "../contract/hub-address.ts";
import { readOperatorConfig } from "../contract/operator-config.ts";
import type { Log } from "../contract/runtime.ts";
import { Leader } from "../control/leader.ts";
import { Control } from "../control/loop.ts";
import { renewCertificates } from "./certificate-renewal.ts";
import { type ControllerOptions, readControllerOptions } from "./controller-options.ts";
import { discoveryServices } from "./discovery-services.ts";
import { hubPlacement, hubSet } from "./hub-placement.ts";
import type { Io } from "./io.ts";
import { loadKube } from "./kube-client.ts";
import { readTls } from "./listen.ts";
import { acceptConfiguration, type InForce, OperatorSettings } from "./operator-settings.ts";
import { openPorts } from "./ports.ts";
import { version } from "./version-text.ts";

/** Labels of the hubs' pods. */
const hubLabels = { "app.kubernetes.io/name": "bobravoz-grpc", "control-plane": "hub" };
const maxReceiveBytes = 10_485_760;
/** How long calls that are under way may take when it stops. */
const closeLimitMs = 1_000;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const options = readControllerOptions(argv, io.env);
  const { env } = options;
  const clock = systemClock;
  const log = createLog({ level: options.logLevel });
  for (const flag of options.ignored) log.warn("flag has no effect", { flag });
  const tls = await readTls(env, options.listen.host);
  const [kube, { KubeCluster }] = await Promise.all([loadKube(), import("../adapters/cluster/kube.ts")]);
  const opened = await kube.openKubeApi({ ...options.kube, userAgent: `bobravoz-controller/${version}` });
  const identity = `${env["POD_NAME"]?.trim() || hostname()}_${randomUUID()}`;
  const lead = { leader: null as Leader | null };
  const isLeader = () => lead.leader?.isLeader ?? options.election === null;
  const metrics = new ControllerMetrics({
    version,
    clock,
    host: new URL(opened.server).host,
    leads: isLeader,
    lease: options.election?.lease ?? null,
  });
  const api = metrics.counted(opened);
  const read = (configMap: Readonly<Record<string, string>> | null) =>
    readOperatorConfig({ configMap, env, flags: options.flags });
  const started = read(await kube.readConfigMap(api, options.config, io.signal));
  acceptConfiguration(started, log);
  const stop = new AbortController();
  const settings = new OperatorSettings({
    read: started,
    program: "controller",
    log,
    onInForce: (inForce) => void report(inForce),
  });
  const report = podReport(kube.setPodCondition.bind(null, api), env, log, stop.signal);

  const hubs = hubSet(env, options.config.namespace);
  const placing = hubPlacement({ env, hubs, isLeader, config: () => settings.config, clock, log });
  const known = { control: null as Control | null };
  const watched = new KubeCluster({ api, clock, log, recorder: "transport-reconciler", namespace: options.watched });
  metrics.cluster(() => ({ ...watched.counts }));
  const cluster = metrics.watched(watched, () => known.control);
  const control = known.control = new Control({
    cluster,
    clock,
    log,
    get bindings() {
      return settings.config["controller.bindings"];
    },
    // before the hubs were seen there is nothing true to say of a new run
    isLeader: () => isLeader() && placing.isKnown,
    breathe: paced(1),
    queueEvents: metrics.queue(() => known.control?.queue),
    decide: {
      hubEndpoint: (namespace) => hubAddress(env, namespace),
      // without certificates of its own everything is on one machine, where peers speak in cleartext (DECISIONS W-06)
      peerTls: tls !== null,
      hub: (world, namespace, storyRun) => placing.placements.endpoint(world, namespace, storyRun),
    },
  });
  // cleartext is served on loopback alone, to whoever works on this machine (DECISIONS W-01)
  const gate = tls === null ? null : identityGate({
    surface: "discovery",
    mode: () => settings.config["discovery.identity"],
    reviewer: kube.tokenReviewer({ api }),
    clock,
    log,
  });
  if (gate !== null) metrics.identity(gate);
  const services = discoveryServices({
    control,
    cluster,
    authorize: gate === null ? undefined : authorizeBy(gate),
    clock,
    log,
  });
  const ports = await openPorts({
    listen: options.listen,
    admin: options.probes,
    tls,
    hub: null,
    services: (router) => services.add(router, null),
    metrics: null,
    missing: () => [
      ...(services.isSynced ? [] : ["the first list of the cluster is not done"]),
      ...(placing.isKnown ? [] : ["the hubs were not seen yet"]),
    ],
    maxReceiveBytes,
    clock,
    log,
  });
  const renewal = tls === null ? null : renewCertificates({
    tls,
    read: () => readTls(env, options.listen.host),
    server: ports.server,
    clock,
    log,
  });
  const metricsPort = await openMetrics(options, metrics, kube.metricsAccess(api, clock), log);
  log.info("controller listens", {
    address: ports.address,
    probes: ports.adminAddress ?? "",
    metrics: metricsPort?.address ?? "",
    tls: tls !== null,
    server: api.server,
    elects: options.election !== null,
  });

  const takeOver = () => {
    control.lead();
    placing.lead();
  };
  const election = new AbortController();
  const { election: elects } = options;
  if (elects !== null) {
    const store = kube.openLease(api, elects.namespace, elects.lease);
    lead.leader = new Leader({ ...elects, store, identity, clock, log });
    lead.leader.subscribe((leads) => leads && takeOver());
  }
  const electing = lead.leader?.run(election.signal) ?? Promise.resolve();
  const watching = control.run(stop.signal);
  const configured = (data: Readonly<Record<string, string>> | null) => {
    const before = settings.config["controller.bindings"];
    settings.update(read(data));
    placing.lead(); // another window counts at once
    // runs that wait for somebody else's bindings need not any more
    if (settings.config["controller.bindings"] === before) return;
    for (const { namespace, storyRun } of control.runs()) control.touch(namespace, storyRun);
  };
  const following = kube.followConfigMap(options.config, configured, stop.signal, {
    onTrouble: kube.loggedTrouble("ConfigMap", clock, log),
  });
  const fleet = new kube.KubeFleet({
    ...hubs,
    labels: hubLabels,
    watch: { onTrouble: kube.loggedTrouble("Pod or StatefulSet", clock, log) },
  });
  // where an administrator gave every run's address, it is done after one look
  const placed = placing.follow(control, fleet, stop.signal, () => isLeader() && takeOver());
  const failed = placed.then(() => new Promise<never>(() => {}));
  const stopped = new Promise<void>((resolve) => {
    if (io.signal.aborted) resolve();
    io.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  // also where a container before this one, in the same pod, said otherwise
  void report(settings.inForce);
  try {
    // none of these ends by itself while nothing fails
    await Promise.race([stopped, watching, following, failed]);
    log.info("controller stops", { reason: io.signal.aborted ? "signal" : "cluster" });
  } finally {
    services.stop("the controller is stopping");
    // what is being written ends before somebody else may begin
    stop.abort();
    await Promise.allSettled([watching, following, placed]);
    election.abort();
    await electing;
    renewal?.cancel();
    await ports.close(closeLimitMs);
    await metricsPort?.close();
    services.close();
    // Events that still wait tell of what was written
    await watched.flushEvents(AbortSignal.timeout(closeLimitMs)).catch(() => {});
    api.close();
  }
  return io.signal.aborted ? 0 : 1;
}

async function openMetrics(
  { metrics: wanted }: ControllerOptions,
  metrics: ControllerMetrics,
  mayRead: (token: string, signal: AbortSignal) => Promise<boolean>,
  log: Log,
) {
  if (wanted === null) return null;
  const { address, secure } = wanted;
  return await listenMetrics({
    ...address,
    metrics,
    secure: secure === null ? null : { ...secure, mayRead },
    clock: systemClock,
    log,
  });
}

/** Says in a condition of this pod whether the configuration is in force; outside of a pod the log has said it. */
function podReport(
  set: (
    pod: { readonly namespace: string; readonly name: string },
    condition: InForce & { readonly type: string },
    now: string,
    signal: AbortSignal,
  ) => Promise<void>,
  env: Readonly<Record<string, string | undefined>>,
  log: Log,
  signal: AbortSignal,
) {
  return async (inForce: InForce): Promise<void> => {
    const name = env["POD_NAME"]?.trim() ?? "";
    const namespace = env["POD_NAMESPACE"]?.trim() ?? "";
    if (name === "" || namespace === "") return;
    const condition = { type: "bobravoz.bubustack.io/ConfigurationInForce", ...inForce };
    const now = new Date(systemClock.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
    const limit = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
    await set({ namespace, name }, condition, now, limit).catch((error: unknown) => {
      if (!signal.aborted) log.warn("condition of the pod cannot be written", { error: String(error) });
    });
  };
}
