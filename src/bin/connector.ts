/** `bobravoz connector`: the sidecar of one engram, configured by its environment (data-plane 6.2, 7.2). */
import { systemClock } from "../adapters/clock.ts";
import type { AdminServer } from "../adapters/http/admin.ts";
import { createLog } from "../adapters/log.ts";
import { isTransportError } from "../contract/errors.ts";
import { readSetup } from "./connector-config.ts";
import { startConnector } from "./connector-node.ts";
import type { Io } from "./io.ts";
import { readOptions } from "./options.ts";
import { giveBackStartMemory } from "./start-memory.ts";

/** When what the start needed is given back, unless packets flow by then. */
const settledMs = 500;

/** Answers 0 at SIGTERM, 1 where it cannot start or go on; then the reason stands in the log (D-060, W-44). */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values } = readOptions("connector", argv, { "health-listen": { type: "string" } }, [0, 0]);
  // the variable is what the webhook sets beside a probe: a container it injects has no arguments
  const healthListen = values["health-listen"] ?? (io.env["BOBRAVOZ_HEALTH_LISTEN"]?.trim() || undefined);
  const { setup, faults } = await readSetup(io.env);
  for (const fault of faults) io.err(`bobravoz: ${fault}\n`);
  if (faults.length > 0) return 1;
  const log = createLog({ level: io.env["BUBU_DEBUG"] ? "debug" : "info" });
  const { namespace, storyRun, step, generation } = setup.config;
  const fields = { namespace, storyRun, step, generation };
  try {
    const node = await startConnector(setup, systemClock, log);
    let admin: AdminServer | null = null;
    try {
      admin = await listenForProbes(healthListen, node);
      log.info("connector listens", { ...fields, address: node.address, health: admin?.address });
      systemClock.after(settledMs, () => {
        if (node.connector.counters.packetsReceived === 0) giveBackStartMemory();
      });
      const stopped = new Promise<void>((resolve) => {
        if (io.signal.aborted) resolve();
        io.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      await Promise.race([stopped, node.failed]);
      log.info("connector stops", fields);
      return 0;
    } finally {
      await node.close(setup.limits.stopLimitMs);
      await admin?.close();
    }
  } catch (error) {
    const reason = isTransportError(error) ? error.reason : "PeerFailed";
    log.error("connector gives up", { ...fields, reason, detail: error instanceof Error ? error.message : `${error}` });
    return 1;
  }
}

/** The HTTP/1.1 port, loaded only where it is asked for. */
async function listenForProbes(
  address: string | boolean | undefined,
  node: Awaited<ReturnType<typeof startConnector>>,
): Promise<AdminServer | null> {
  if (address === undefined) return null;
  const [{ parseAddress }, { listenAdmin }, { connectorMetrics }] = await Promise.all([
    import("./listen.ts"),
    import("../adapters/http/admin.ts"),
    import("../adapters/connector/metrics.ts"),
  ]);
  const { connector, reporter, missing } = node;
  const reports = () => reporter?.counts ?? { succeeded: 0, failed: 0 };
  return listenAdmin({
    ...parseAddress("--health-listen", String(address)),
    missing,
    metrics: connectorMetrics(connector, reports),
  });
}
