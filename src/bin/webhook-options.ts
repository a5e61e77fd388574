/** Flags of `bobravoz webhook` (control-plane 8.3), read once with the variables beside them. */
import type { LogLevel } from "../adapters/log.ts";
import type { PairFiles } from "../adapters/admission/serving-certificate.ts";
import type { Placement } from "../control/connector-container.ts";
import { bindAddress, type MetricsOptions, plainSwitch, readMetrics, switches } from "./controller-options.ts";
import type { Address } from "./node.ts";
import { choice, type OptionValues, readOptions, usage } from "./options.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface WebhookOptions {
  /** Null: switched off. */
  readonly listen: Address | null;
  /** Null: off. */
  readonly probes: Address | null;
  readonly metrics: MetricsOptions | null;
  readonly certificate: PairFiles;
  readonly kube: { readonly kubeconfig?: string; readonly context?: string };
  /** Namespace and name of the operator's ConfigMap. */
  readonly config: { readonly namespace: string; readonly name: string };
  /** Null: as the API server's version allows. */
  readonly placement: Placement | null;
  /** What connectors are told of binding discovery. */
  readonly discoveryEndpoint: string;
  readonly flags: OptionValues;
  readonly logLevel: LogLevel;
  /** Flags that are taken for the sake of existing manifests and change nothing. */
  readonly ignored: readonly string[];
}

const withoutEffect = [
  ...["enable-http2", "leader-elect", "zap-devel", "zap-encoder", "zap-stacktrace-level", "zap-time-encoding"],
];
const texts = [
  ...["listen", "health-probe-bind-address", "metrics-bind-address", "metrics-cert-path", "metrics-cert-name"],
  ...["metrics-cert-key", "webhook-cert-path", "webhook-cert-name", "webhook-cert-key", "kubeconfig", "context"],
  ...["config-namespace", "config-name", "connector-image", "connector-image-pull-policy", "connector-placement"],
  ...["zap-log-level", "zap-encoder", "zap-stacktrace-level", "zap-time-encoding"],
];
/** Where controller-runtime looks as well. */
const defaultCertificatePath = "/tmp/k8s-webhook-server/serving-certs";
const discoveryPort = 9100;

/** Reads them. Throws `Usage` naming the flag. */
export function readWebhookOptions(argv: readonly string[], env: Env): WebhookOptions {
  const table = Object.fromEntries([
    ...texts.map((name) => [name, { type: "string" as const }]),
    ...switches.flatMap((name) => [name, `no-${name}`].map((each) => [each, { type: "boolean" as const }])),
  ]);
  const { values } = readOptions("webhook", argv.map(plainSwitch), table, [0, 0]);
  const text = (name: string): string | undefined => values[name] as string | undefined;
  const given = (name: string): string => env[name]?.trim() ?? "";
  const isOff = /^(0|f|false)$/i.test(given("ENABLE_WEBHOOKS"));
  const listen = bindAddress("--listen", text("listen") ?? ":9443");
  if (listen === null && !isOff) {
    throw usage("webhook", "--listen takes host:port; ENABLE_WEBHOOKS=false switches it off");
  }
  const folder = (text("webhook-cert-path") ?? defaultCertificatePath).replace(/\/$/, "");
  const namespace = text("config-namespace") ?? "bobrapet-system";
  const placements = ["auto", "initContainers", "containers"] as const;
  const placement = choice("webhook", "connector-placement", text("connector-placement"), placements);
  const domain = given("BUBU_HUB_CLUSTER_DOMAIN") || "svc.cluster.local";
  const service = `bobravoz-grpc-discovery.${given("POD_NAMESPACE") || namespace}.${domain}:${discoveryPort}`;
  return {
    listen: isOff ? null : listen,
    probes: bindAddress("--health-probe-bind-address", text("health-probe-bind-address") ?? ":8081"),
    metrics: readMetrics(text, values, "webhook"),
    certificate: {
      certFile: `${folder}/${text("webhook-cert-name") ?? "tls.crt"}`,
      keyFile: `${folder}/${text("webhook-cert-key") ?? "tls.key"}`,
    },
    kube: { kubeconfig: text("kubeconfig"), context: text("context") } as WebhookOptions["kube"],
    config: { namespace, name: text("config-name") ?? "bobravoz-grpc-operator-config" },
    placement: placement === "auto" ? null : placement,
    discoveryEndpoint: given("BOBRAVOZ_DISCOVERY_ENDPOINT") || service,
    flags: values,
    logLevel: env["BUBU_DEBUG"]
      ? "debug"
      : choice("webhook", "zap-log-level", text("zap-log-level"), ["info", "debug", "warn", "error"]),
    ignored: withoutEffect.filter((name) => values[name] !== undefined).map((name) => `--${name}`),
  };
}
