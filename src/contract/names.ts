/**
 * Every string that travels between programs, once: metadata keys, labels, annotations, variables, constants.
 * Functions that make names of objects are in `compose.ts`.
 */

/** The only protocol version of the wire (data-plane D-011). */
export const protocolVersion = "1.0.0";

/** gRPC request metadata of a Process stream (data-plane 2.2). */
export const requestHeaders = {
  protocol: "bubu-transport-protocol",
  storyRun: "storyrun-name",
  namespace: "storyrun-namespace",
  step: "current-step-id",
  generation: "connector-generation",
  capabilities: "startup.capabilities",
  binding: "bubu.transport.binding",
} as const;

/** Reserved keys of packet metadata (data-plane 1.6). */
export const packetKeys = {
  heartbeat: "bubu-heartbeat",
  storyRun: "storyrun-name",
  namespace: "storyrun-namespace",
  step: "current-step-id",
  envelopeKind: "bubu.envelope.kind",
  messageId: "bubu.envelope.message_id",
  timestampMs: "bubu.envelope.timestamp_ms",
  joinKey: "bubu.join.key",
  materializeNext: "materialize-next-step",
  kind: "kind",
  type: "type",
} as const;

/** MIME type of a structured message inside a binary frame (data-plane 1.5). */
export const envelopeMimeType = "application/vnd.bubu.packet+json";

/** API groups of the BubuStack kinds; every kind has the one version `v1alpha1`. */
export const apiVersions = {
  Story: "bubustack.io/v1alpha1",
  Engram: "bubustack.io/v1alpha1",
  EngramTemplate: "catalog.bubustack.io/v1alpha1",
  StoryRun: "runs.bubustack.io/v1alpha1",
  StepRun: "runs.bubustack.io/v1alpha1",
  Transport: "transport.bubustack.io/v1alpha1",
  TransportBinding: "transport.bubustack.io/v1alpha1",
} as const;

export type Kind = keyof typeof apiVersions;

/** Annotation keys (control-plane 2.5, and ours). */
export const annotations = {
  transportType: "bobravoz.bubustack.io/transport",
  strategy: "bobravoz.bubustack.io/strategy",
  localCommand: "bobravoz.bubustack.io/local-command",
  localConnector: "bobravoz.bubustack.io/local-connector",
  binding: "transport.bubustack.io/binding",
  connectorInjected: "transport.bobravoz.bubustack.io/connector-injected",
  routingMode: "transport.bubustack.io/routing-mode",
  downstreamSteps: "transport.bubustack.io/downstream-steps",
  connectorGeneration: "bubustack.io/connector-generation",
  storyRun: "bubustack.io/storyrun",
  step: "bubustack.io/step",
  story: "bubustack.io/story",
} as const;

/** Label keys (control-plane 2.4). */
export const labels = {
  storyRun: "bubustack.io/storyrun",
  stepRun: "bubustack.io/steprun",
  step: "bubustack.io/step",
  engram: "bubustack.io/engram",
  story: "bubustack.io/story",
  connector: "transport.bobravoz.bubustack.io/connector",
  managedBy: "app.kubernetes.io/managed-by",
} as const;

/** Finalizers of control-plane 2.6: `hub` is an older hub operator's; we have none (DECISIONS K-31). */
export const finalizers = {
  hub: "transport.bobravoz.bubustack.io/finalizer",
  storyRun: "storyrun.bubustack.io/finalizer",
  stepRun: "steprun.bubustack.io/finalizer",
} as const;

/** Field managers of server-side apply: one per writer and subject (DECISIONS K-01, X-10). */
export const fieldManagers = {
  controller: "bobravoz-controller",
  ready: "bobravoz-ready",
  connector: "bobravoz-connector",
} as const;

/** Phases of a StoryRun after which nothing is written to it (control-plane R-11). */
export const terminalPhases: ReadonlySet<string> = new Set([
  "Succeeded",
  "Failed",
  "Finished",
  "Canceled",
  "Compensated",
  "Timeout",
  "Aborted",
  "Skipped",
]);

/** Port on which connectors and engrams meet when nothing else is configured (control-plane N-16). */
export const defaultGrpcPort = 50051;

/** Port of the hub when nothing else is configured (control-plane O-34). */
export const defaultHubPort = 9000;
