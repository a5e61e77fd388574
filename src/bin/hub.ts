/** `bobravoz hub`: a hub over a directory of manifests, without starting engrams. */
import { stat } from "node:fs/promises";
import { FilesCluster } from "../adapters/cluster/files.ts";
import { faultText } from "../adapters/cluster/manifests.ts";
import { systemClock } from "../adapters/clock.ts";
import { createLog } from "../adapters/log.ts";
import { TransportError } from "../contract/errors.ts";
import { readHubConfig } from "../contract/hub-config.ts";
import type { Io } from "./io.ts";
import { parseAddress, readTls } from "./listen.ts";
import { startNode } from "./node.ts";
import { readOptions, usage } from "./options.ts";

/** How long a hub that stops waits for its streams to take what waits for them. */
const drainLimitMs = 8_000;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values } = readOptions("hub", argv, {
    manifests: { type: "string" },
    listen: { type: "string" },
    "health-listen": { type: "string" },
    advertise: { type: "string" },
  }, [0, 0]);
  const directory = values["manifests"] as string | undefined;
  if (directory === undefined) {
    throw usage("hub", "--manifests DIR is missing: this version reads its world from a directory");
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
