/** Flags of `bobravoz controller` (control-plane 8.3, O-42), read once with the variables beside them. */
import { networkInterfaces } from "node:os";
import type { LogLevel } from "../adapters/log.ts";
import { positiveDurationMs } from "../contract/duration.ts";
import { parseAddress } from "./listen.ts";
import type { Address } from "./node.ts";
import { choice, count, type OptionValues, readOptions, usage } from "./options.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface ControllerOptions {
  readonly listen: Address;
  /** Null: off. */
  readonly probes: Address | null;
  readonly metrics: MetricsOptions | null;
  readonly kube: { readonly kubeconfig?: string; readonly context?: string };
  /** Runs of this namespace alone; empty: of all. */
  readonly watched: string;
  /** Namespace and name of the operator's ConfigMap. */
  readonly config: { readonly namespace: string; readonly name: string };
  /** Null: this replica leads without asking. */
  readonly election: ElectionOptions | null;
  /** Variables with what flags set in them. */
  readonly env: Env;
  readonly flags: OptionValues;
  readonly logLevel: LogLevel;
  /** Flags that are taken for the sake of existing manifests and change nothing. */
  readonly ignored: readonly string[];
}

export interface MetricsOptions {
  readonly address: Address;
  /** Files of its certificate; null: HTTP, open to who reaches it. */
  readonly secure: { readonly cert: string; readonly key: string } | null;
}

export interface ElectionOptions {
  readonly namespace: string;
  readonly lease: string;
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly retryMs: number;
}

/** The existing operator's on purpose: the two never lead at the same time. */
const leaseName = "184655c9.bubustack.io";

/** Flags without a value, in Go's spelling too: `--name=false`. */
export const switches = ["leader-elect", "metrics-secure", "enable-http2", "zap-devel"] as const;
const withoutEffect = [
  "enable-http2",
  "zap-devel",
  "zap-encoder",
  "zap-stacktrace-level",
  "zap-time-encoding",
] as const;
const texts = [
  ...["listen", "health-probe-bind-address", "metrics-bind-address", "metrics-cert-path", "metrics-cert-name"],
  ...["metrics-cert-key", "kubeconfig", "context", "config-namespace", "config-name", "hub-port", "connector-image"],
  ...["connector-image-pull-policy", "leader-elect-lease-duration", "leader-elect-renew-deadline"],
  ...[
    "leader-elect-retry-period",
    "watch-namespace",
    "zap-log-level",
    "zap-encoder",
    "zap-stacktrace-level",
    "zap-time-encoding",
  ],
] as const;

/** Reads them. Throws `Usage` naming the flag. */
export function readControllerOptions(argv: readonly string[], env: Env): ControllerOptions {
  const table = Object.fromEntries([
    ...texts.map((name) => [name, { type: "string" as const }]),
    ...switches.flatMap((name) => [name, `no-${name}`].map((each) => [each, { type: "boolean" as const }])),
  ]);
  const { values } = readOptions("controller", argv.map(plainSwitch), table, [0, 0]);
  const text = (name: typeof texts[number]): string | undefined => values[name] as string | undefined;
  const namespace = text("config-namespace") ?? "bobrapet-system";
  const hubPort = text("hub-port");
  if (hubPort !== undefined) count("controller", "hub-port", hubPort, 9000);
  return {
    listen: bindAddress("--listen", text("listen") ?? defaultListen(env)) ?? usageOf("--listen cannot be off"),
    probes: bindAddress("--health-probe-bind-address", text("health-probe-bind-address") ?? ":8081"),
    metrics: readMetrics(text, values),
    kube: { kubeconfig: text("kubeconfig"), context: text("context") } as ControllerOptions["kube"],
    watched: text("watch-namespace") ?? "",
    config: { namespace, name: text("config-name") ?? "bobravoz-grpc-operator-config" },
    election: isOn(values, "leader-elect", false)
      ? readElection(text, env["POD_NAMESPACE"]?.trim() || namespace)
      : null,
    env: { ...env, ...(hubPort === undefined || env["BUBU_HUB_PORT"]?.trim() ? {} : { BUBU_HUB_PORT: hubPort }) },
    flags: values,
    logLevel: env["BUBU_DEBUG"]
      ? "debug"
      : choice("controller", "zap-log-level", text("zap-log-level"), ["info", "debug", "warn", "error"]),
    ignored: withoutEffect.filter((name) => values[name] !== undefined).map((name) => `--${name}`),
  };
}

/** In a pod every address, since its Service leads there; on a laptop loopback, without certificates. */
function defaultListen(env: Env): string {
  return env["KUBERNETES_SERVICE_HOST"]?.trim() ? ":9100" : "127.0.0.1:9100";
}

function usageOf(message: string): never {
  throw usage("controller", message);
}

/** `--leader-elect=false`, as Go's flags have it. */
export function plainSwitch(argument: string): string {
  const [, name, value] = /^--([a-z0-9-]+)=(true|false)$/.exec(argument) ?? [];
  if (!switches.some((each) => each === name)) return argument;
  return value === "true" ? `--${name}` : `--no-${name}`;
}

function isOn(values: OptionValues, name: typeof switches[number], otherwise: boolean): boolean {
  return values[`no-${name}`] === true ? false : values[name] === true ? true : otherwise;
}

/** As `parseAddress`, but `:port` is every address of the machine, as Go has it, and `0` is off. */
export function bindAddress(flag: string, text: string): Address | null {
  if (text.trim() === "0" || text.trim() === "") return null;
  const { host, port } = parseAddress(flag, text);
  return { host: text.trim().startsWith(":") ? everyAddress() : host, port };
}

/** `::` takes IPv4 as well; a machine without IPv6 refuses it. */
function everyAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}

/** Where and how metrics are served, by the flags of control-plane 8.3. Throws `Usage`. */
export function readMetrics(
  text: (name: typeof texts[number]) => string | undefined,
  values: OptionValues,
  command = "controller",
): MetricsOptions | null {
  const address = bindAddress("--metrics-bind-address", text("metrics-bind-address") ?? "0");
  if (address === null) return null;
  if (!isOn(values, "metrics-secure", true)) return { address, secure: null };
  const path = text("metrics-cert-path");
  if (path === undefined) {
    const hint = "name a folder with --metrics-cert-path, or serve them in the open with --metrics-secure=false";
    throw usage(command, `metrics are served by HTTPS and have no certificate: ${hint}`);
  }
  const file = (name: string) => `${path.replace(/\/$/, "")}/${name}`;
  return {
    address,
    secure: {
      cert: file(text("metrics-cert-name") ?? "tls.crt"),
      key: file(text("metrics-cert-key") ?? "tls.key"),
    },
  };
}

function readElection(text: (name: typeof texts[number]) => string | undefined, namespace: string): ElectionOptions {
  const duration = (name: typeof texts[number], otherwise: number): number => {
    const given = text(name);
    const milliseconds = given === undefined ? otherwise : positiveDurationMs(given);
    if (milliseconds === null) throw usage("controller", `--${name} is a duration above 0, not "${given}"`);
    return milliseconds;
  };
  const election = {
    namespace,
    lease: leaseName,
    leaseMs: duration("leader-elect-lease-duration", 15_000),
    renewMs: duration("leader-elect-renew-deadline", 10_000),
    retryMs: duration("leader-elect-retry-period", 2_000),
  };
  if (election.leaseMs <= election.renewMs || election.renewMs <= election.retryMs) {
    const order = "--leader-elect-lease-duration > --leader-elect-renew-deadline > --leader-elect-retry-period";
    throw usage("controller", `it must be ${order}`);
  }
  return election;
}
