/**
 * Every key of the operator's ConfigMap, once: form, default, variable and flag, and when a change of it counts
 * (control-plane O-01; the last nine are ours). What a value means is in `operator-config.ts`.
 */

/** How the text of a value is read. */
export type ValueForm =
  /** Whole number above 0, as Go reads it: no spaces. */
  | "positive"
  /** Whole number from 0 on. */
  | "size"
  /** Go duration above 0; kept as milliseconds. */
  | "duration"
  /** Of `templating.evaluation-timeout` alone, which has rules of its own. */
  | "evaluationTimeout"
  | "boolean"
  /** Any text, without white space around it. */
  | "text"
  /** A JSON object, or empty for none. */
  | "object";

export interface OperatorKeyFacts {
  readonly form: ValueForm;
  /** Text as a ConfigMap would have it. */
  readonly fallback: string;
  /** The closed list of values where there is one. */
  readonly allowed?: readonly string[];
  readonly variable?: string;
  readonly flag?: string;
  /** A value that is not known stops the start: a misspelt guard must not stand open (control-plane O-01, C-100). */
  readonly isGuard?: true;
  /** Which program obeys it; `none`: this version reads it and has nothing that obeys it. */
  readonly by: "controller" | "hub" | "webhook" | "none";
  /** Whether that program obeys a change without a restart (DECISIONS K-33). */
  readonly isLive: boolean;
}

const identityModes = ["enforce", "observe", "off"] as const;

export const operatorKeys = {
  "hub.transport-security-mode": {
    form: "text",
    fallback: "tls",
    allowed: ["tls"],
    variable: "BUBU_TRANSPORT_SECURITY_MODE",
    isGuard: true,
    by: "hub",
    isLive: false,
  },
  "hub.buffer-max-messages": {
    form: "positive",
    fallback: "1000",
    variable: "BUBU_HUB_BUFFER_MAX_MESSAGES",
    by: "none",
    isLive: false,
  },
  "hub.buffer-max-bytes": {
    form: "positive",
    fallback: "10485760",
    variable: "BUBU_HUB_BUFFER_MAX_BYTES",
    by: "none",
    isLive: false,
  },
  "hub.buffer-eviction-ttl": {
    form: "duration",
    fallback: "10m",
    variable: "BUBU_HUB_BUFFER_EVICTION_TTL",
    by: "hub",
    isLive: false,
  },
  "hub.buffer-eviction-interval": {
    form: "duration",
    fallback: "1m",
    variable: "BUBU_HUB_BUFFER_EVICTION_INTERVAL",
    by: "hub",
    isLive: false,
  },
  "hub.channel-buffer-size": {
    form: "positive",
    fallback: "100",
    variable: "BUBU_GRPC_CHANNEL_BUFFER_SIZE",
    by: "none",
    isLive: false,
  },
  "hub.per-message-timeout": {
    form: "duration",
    fallback: "10m",
    variable: "BUBU_HUB_PER_MESSAGE_TIMEOUT",
    by: "none",
    isLive: false,
  },
  "hub.max-active-streams": {
    form: "positive",
    fallback: "2000",
    variable: "BUBU_HUB_MAX_ACTIVE_STREAMS",
    by: "hub",
    isLive: false,
  },
  "hub.max-buffers": {
    form: "positive",
    fallback: "1000",
    variable: "BUBU_HUB_MAX_BUFFERS",
    by: "hub",
    isLive: false,
  },
  "hub.max-downstreams-hard-cap": {
    form: "positive",
    fallback: "64",
    variable: "BUBU_HUB_MAX_DOWNSTREAMS",
    by: "none",
    isLive: false,
  },
  "connector.image": {
    form: "text",
    fallback: "ghcr.io/bubustack/bobravoz-grpc-connector:latest",
    variable: "CONNECTOR_IMAGE",
    flag: "connector-image",
    by: "webhook",
    isLive: true,
  },
  "connector.image-pull-policy": {
    form: "text",
    fallback: "IfNotPresent",
    allowed: ["Always", "IfNotPresent", "Never"],
    variable: "CONNECTOR_IMAGE_PULL_POLICY",
    flag: "connector-image-pull-policy",
    by: "webhook",
    isLive: true,
  },
  "telemetry.trace-propagation": {
    form: "boolean",
    fallback: "true",
    variable: "BUBU_TRACE_PROPAGATION",
    by: "none",
    isLive: false,
  },
  "templating.evaluation-timeout": { form: "evaluationTimeout", fallback: "30s", by: "none", isLive: false },
  "templating.max-output-bytes": { form: "size", fallback: "65536", by: "none", isLive: false },
  "templating.deterministic": { form: "boolean", fallback: "false", by: "none", isLive: false },
  "templating.offloaded-data-policy": { form: "text", fallback: "error", by: "none", isLive: false },
  "templating.materialize-engram": { form: "text", fallback: "bubu-materialize", by: "none", isLive: false },
  "hub.identity": {
    form: "text",
    fallback: "observe",
    allowed: identityModes,
    variable: "BOBRAVOZ_HUB_IDENTITY",
    isGuard: true,
    by: "hub",
    isLive: false,
  },
  "discovery.identity": {
    form: "text",
    fallback: "enforce",
    allowed: identityModes,
    variable: "BOBRAVOZ_DISCOVERY_IDENTITY",
    isGuard: true,
    by: "controller",
    isLive: true,
  },
  "hub.stallLimit": {
    form: "duration",
    fallback: "5s",
    variable: "BOBRAVOZ_HUB_STALL_LIMIT",
    by: "hub",
    isLive: false,
  },
  "hub.scaleToZero": {
    form: "boolean",
    fallback: "false",
    variable: "BOBRAVOZ_HUB_SCALE_TO_ZERO",
    by: "controller",
    isLive: false,
  },
  "hub.scaleDownDelay": {
    form: "duration",
    fallback: "5m",
    variable: "BOBRAVOZ_HUB_SCALE_DOWN_DELAY",
    by: "controller",
    isLive: true,
  },
  "controller.bindings": {
    form: "text",
    fallback: "wait",
    allowed: ["wait", "create"],
    variable: "BOBRAVOZ_CONTROLLER_BINDINGS",
    by: "controller",
    isLive: true,
  },
  "connector.use-transport-image": {
    form: "boolean",
    fallback: "false",
    variable: "BOBRAVOZ_CONNECTOR_USE_TRANSPORT_IMAGE",
    by: "webhook",
    isLive: true,
  },
  "connector.resources": {
    form: "object",
    fallback: "",
    variable: "BOBRAVOZ_CONNECTOR_RESOURCES",
    by: "webhook",
    isLive: true,
  },
  "connector.probe": {
    form: "object",
    fallback: "",
    variable: "BOBRAVOZ_CONNECTOR_PROBE",
    by: "webhook",
    isLive: true,
  },
} as const satisfies Record<string, OperatorKeyFacts>;

export type OperatorKey = keyof typeof operatorKeys;
