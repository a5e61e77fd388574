/** `bobravoz local`: the Stories of a folder on this machine, with a hub and with engrams as child processes. */
import { resolve } from "node:path";
import { FilesCluster } from "../adapters/cluster/files.ts";
import { faultText } from "../adapters/cluster/manifests.ts";
import { systemClock } from "../adapters/clock.ts";
import { createLog } from "../adapters/log.ts";
import { Children, crashSubject } from "../adapters/process/children.ts";
import { PortPool } from "../adapters/process/ports.ts";
import { TransportError } from "../contract/errors.ts";
import { readHubConfig } from "../contract/hub-config.ts";
import { annotations, defaultHubPort } from "../contract/names.ts";
import type { Clock } from "../contract/runtime.ts";
import type { Decisions } from "../control/decisions.ts";
import { type Io, isColored } from "./io.ts";
import { parseAddress, readTls } from "./listen.ts";
import { edgesOf } from "./local-edges.ts";
import { localSpec } from "./local-engrams.ts";
import { connectorLine, localLogLine } from "./local-log.ts";
import { startNode } from "./node.ts";
import { readOptions } from "./options.ts";
import { startView, type View } from "./view/live.ts";
import { stopLine } from "./view/summary.ts";

/** The HTTP/1.1 port; where it is taken and no flag asks for it, a free one serves as well. */
const defaultAdmin = { host: "127.0.0.1", port: 8081, elseFree: true };

/** How long a hub that stops waits for its streams to take what waits for them. */
const drainLimitMs = 2_000;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = readOptions("local", argv, {
    listen: { type: "string" },
    "health-listen": { type: "string" },
    once: { type: "boolean" },
    fast: { type: "boolean" },
  }, [1, 1]);
  const isOnce = values["once"] === true;
  const listen = parseAddress("--listen", String(values["listen"] ?? `127.0.0.1:${defaultHubPort}`));
  const tls = await readTls(io.env, listen.host);
  const admin = values["health-listen"] === undefined
    ? defaultAdmin
    : parseAddress("--health-listen", String(values["health-listen"]));
  const { config } = readHubConfig((name) => io.env[name]);
  const clock = systemClock;
  let view: View | null = null;
  const print = (line: string) => view === null ? io.err(line + "\n") : view.print(line);
  const log = createLog({
    level: io.env["BUBU_DEBUG"] ? "debug" : "warn",
    write: (line) => io.isTerminal ? print(localLogLine(line)) : io.err(line),
  });

  const directory = resolve(positionals[0]!);
  const cluster = new FilesCluster({ directory, clock, log });
  await cluster.load();
  // Nothing runs yet, so nothing good is kept: half a folder would run something else than what is written.
  if (cluster.faults.length > 0) throw new TransportError("BadManifest", cluster.faults.map(faultText).join("\n"));

  const ports = new PortPool();
  await ports.ready();
  const env = values["fast"] === true ? { ...io.env, BOBRAVOZ_EXAMPLE_FAST: "1" } : io.env;
  const children = new Children({
    clock,
    log,
    restart: !isOnce,
    spec: (decision, binding, start) => localSpec({ directory, address: node.address, env }, decision, binding, start),
    onLine: ({ step }, program, line) => {
      const shown = program === "engram" ? line : connectorLine(line, Boolean(io.env["BUBU_DEBUG"]));
      if (shown !== null) print(`${step}${program === "engram" ? "" : " connector"} | ${shown}`);
    },
    onEvent: (event) => cluster.recordEvent(event),
    onGeneration: (namespace, storyRun) => node.control.touch(namespace, storyRun),
  });
  const node = await startNode({
    cluster,
    listen,
    admin,
    tls,
    advertised: null,
    config,
    clock,
    log,
    decide: {
      connectorEndpoint: (...key) => `127.0.0.1:${ports.take(key.join("/"))}`,
      generation: (...key) => children.generation(...key),
    },
  });
  const { control } = node;
  // A run that found no free port is decided again when there are some.
  const unsubscribe = control.subscribe((namespace, storyRun) => {
    if (control.get(namespace, storyRun)?.failure?.reason !== "Unavailable") return;
    void ports.ready().then(() => control.touch(namespace, storyRun));
  });
  try {
    await control.synced;
    io.err(`hub and discovery listen on ${node.address}, health and metrics on http://${node.adminAddress}\n`);
    view = startView({
      decisions: () =>
        control.runs().flatMap(({ namespace, storyRun, topology }) =>
          topology === null ? [] : { namespace, storyRun, topology }
        ),
      edges: (namespace, storyRun) => {
        const decision = control.get(namespace, storyRun);
        return decision === null ? [] : edgesOf(decision, node.hub, node.reports);
      },
      children: () => children.list(),
      out: io.out,
      isTerminal: io.isTerminal,
      isColored: isColored(io),
      columns: io.columns,
      clock,
    });
    children.start(control);
    if (!isOnce) {
      await Promise.race([aborted(io.signal), node.watching]);
      return 0;
    }
    const faults = await once(children, control, clock, print, io.signal);
    const { isGood } = view.stop();
    for (const fault of faults) io.err(`bobravoz: ${fault}\n`);
    return isGood && faults.length === 0 ? 0 : 1;
  } finally {
    unsubscribe();
    await children.close();
    const verdict = view?.stop();
    if (verdict !== undefined && !isOnce && io.signal.aborted) io.err(stopLine(verdict) + "\n");
    await node.close(drainLimitMs);
  }
}

/** How often `--once` says for whom it waits. */
const waitingMs = 10_000;

/** Settles when the programs have ended; what went wrong, in words. Throws what keeps a run from being decided. */
async function once(
  children: Children,
  decisions: Decisions,
  clock: Clock,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<readonly string[]> {
  for (const { failure } of decisions.runs()) if (failure !== null) throw failure;
  if (children.list().length === 0) {
    throw new TransportError("Usage", `--once needs an Engram with the annotation ${annotations.localCommand}`);
  }
  const timer = clock.every(waitingMs, () => {
    const open = children.list().filter(({ state }) => state !== "done").map(({ step, state }) => `${step} (${state})`);
    print(`waiting for the end of ${open.join(", ")}`);
  });
  const ended = await children.settled(signal).finally(() => timer.cancel());
  return ended.flatMap((child) =>
    child.lastCrash === null ? [] : [`${crashSubject(child, child.lastCrash)} crashed: ${child.lastCrash.text}`]
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((settle) => {
    if (signal.aborted) settle();
    signal.addEventListener("abort", () => settle(), { once: true });
  });
}
