/** `bobravoz hub`: a hub over a directory of manifests, without starting engrams, or one of several in a cluster. */
import { stat } from "node:fs/promises";
import { FilesCluster } from "../adapters/cluster/files.ts";
import { faultText } from "../adapters/cluster/manifests.ts";
import { systemClock } from "../adapters/clock.ts";
import { createLog } from "../adapters/log.ts";
import { TransportError } from "../contract/errors.ts";
import { readHubConfig } from "../contract/hub-config.ts";
import { drainLimitMs } from "./hub-drain.ts";
import type { Io } from "./io.ts";
import { plainSwitch } from "./controller-options.ts";
import { parseAddress, readTls } from "./listen.ts";
import { startNode } from "./node.ts";
import { readOptions, usage } from "./options.ts";

const texts = [
  ...["manifests", "listen", "health-listen", "advertise", "kubeconfig", "context", "config-namespace", "config-name"],
  ...["health-probe-bind-address", "metrics-bind-address", "metrics-cert-path", "metrics-cert-name"],
  ...["metrics-cert-key", "watch-namespace", "zap-log-level"],
];
const flags = {
  "in-cluster": { type: "boolean" as const },
  "metrics-secure": { type: "boolean" as const },
  "no-metrics-secure": { type: "boolean" as const },
  ...Object.fromEntries(texts.map((name) => [name, { type: "string" as const }])),
};

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values } = readOptions("hub", argv.map(plainSwitch), flags, [0, 0]);
  if (values["in-cluster"] === true) {
    if (values["manifests"] !== undefined) throw usage("hub", "--in-cluster and --manifests exclude each other");
    return await (await import("./hub-cluster.ts")).runInCluster(values, io);
  }
  const directory = values["manifests"] as string | undefined;
  if (directory === undefined) {
    throw usage("hub", "--manifests DIR or --in-cluster is missing: where the hub reads its world");
  }
  const listen = parseAddress("--listen", String(values["listen"] ?? "127.0.0.1:9000"));
  const admin = parseAddress("--health-listen", String(values["health-listen"] ?? "127.0.0.1:8081"));
  const { config, faults } = readHubConfig((name) => io.env[name]);
  const tls = await readTls(io.env, listen.host);
  if (!(await stat(directory).catch(() => null))?.isDirectory()) {
    throw new TransportError("NotFound", `${directory} is not a directory`);
  }
  const log = createLog({ level: io.env["BUBU_DEBUG"] ? "debug" : "info" });
  for (const fault of faults) log.warn("configuration ignored", { fault });
  const cluster = new FilesCluster({
    directory,
    clock: systemClock,
    log,
    onFaults: (faults) => faults.forEach((fault) => log.warn("manifest refused", { fault: faultText(fault) })),
  });
  const node = await startNode({
    cluster,
    listen,
    admin,
    tls,
    decide: { peerTls: tls !== null },
    advertised: (values["advertise"] as string | undefined) ?? io.env["BUBU_HUB_ENDPOINT"]?.trim() ?? null,
    config,
    clock: systemClock,
    log,
  });
  log.info("hub listens", { address: node.address, health: node.adminAddress ?? "", tls: tls !== null });
  const stopped = new Promise<void>((resolve) => io.signal.addEventListener("abort", () => resolve(), { once: true }));
  await Promise.race([stopped, node.watching]);
  log.info("hub stops", { reason: io.signal.aborted ? "signal" : "cluster" });
  await node.close(drainLimitMs);
  return 0;
}
