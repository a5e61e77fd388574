/**
 * What each program may ask of the API server, and which request each verb is for (control-plane 8.5, O-52, C-105).
 * A verb that no line here explains is not granted.
 */
/** Programs that have an account of their own. */
export type Program = "controller" | "webhook" | "hub" | "certificates";

/** Verb → the requests that it is for. */
export type Purposes = Readonly<Record<string, string>>;

export interface Grant {
  readonly group: string;
  /** With the sub-resource where it is one. */
  readonly resource: string;
  readonly verbs: Purposes;
  /** The only objects that it holds for; verbs that create or list are not limited so. */
  readonly names?: readonly string[];
}

export interface Permissions {
  /** In every namespace, and on what has none. */
  readonly cluster: readonly Grant[];
  /** In the namespace of the programs alone. */
  readonly namespaced: readonly Grant[];
}

const world = (whose: string): Purposes => ({
  list: `the first list of each kind, from which ${whose} knows its world`,
  watch: "every change after that",
});

const kinds = [
  ["bubustack.io", "stories"],
  ["bubustack.io", "engrams"],
  ["catalog.bubustack.io", "engramtemplates"],
  ["runs.bubustack.io", "storyruns"],
  ["runs.bubustack.io", "stepruns"],
  ["transport.bubustack.io", "transports"],
  ["transport.bubustack.io", "transportbindings"],
] as const;

/** Every kind of the contract, listed and watched, and more verbs on some. */
function worldOf(whose: string, more: Readonly<Record<string, Purposes>> = {}): readonly Grant[] {
  return kinds.map(([group, resource]) => ({ group, resource, verbs: { ...world(whose), ...more[resource] } }));
}

const report = {
  group: "transport.bubustack.io",
  resource: "transportbindings/status",
  verbs: { patch: "what a connector reported of itself, applied for it (X-10)" },
} as const;

const tokenReviews = (purpose: string): Grant => ({
  group: "authentication.k8s.io",
  resource: "tokenreviews",
  verbs: { create: purpose },
});

/** Whose token a connector presents, and which step its pod is (W-01); who asks for metrics. */
const identity: readonly Grant[] = [
  tokenReviews("whose token a connector, or who asks for metrics, presents (W-01)"),
  { group: "", resource: "pods", verbs: { get: "the step of the pod that a token is bound to (W-01)" } },
];

const metricsReview: Grant = {
  group: "authorization.k8s.io",
  resource: "subjectaccessreviews",
  verbs: { create: "whether who asks for metrics may read them" },
};

const config = (name: string): Grant => ({
  group: "",
  resource: "configmaps",
  names: [name],
  verbs: { list: "the configuration at start (O-04)", watch: "its changes" },
});

/** By program; `names` are those of the objects that they share. */
export function permissionsOf(names: {
  readonly config: string;
  readonly lease: string;
  readonly hub: string;
  readonly hubTls: string;
  readonly webhookTls: string;
  readonly metricsTls: string;
  readonly ca: string;
  readonly webhookConfiguration: string;
}): Readonly<Record<Program, Permissions>> {
  return {
    controller: {
      cluster: [
        ...worldOf("the controller", {
          storyruns: { patch: "the finalizer of an older operator, removed from a run that is being deleted (K-32)" },
          transportbindings: {
            create: "bindings that nobody else makes (X-03)",
            patch: "the spec of our own bindings when the Story changes (K-38)",
            delete: "our own bindings of steps that are gone (X-08)",
          },
        }),
        {
          group: "runs.bubustack.io",
          resource: "storyruns/status",
          verbs: { patch: "TransportReady, and Ready where nobody else sets it (K-01)" },
        },
        { ...report, verbs: { patch: `the endpoint and our conditions; ${report.verbs.patch}` } },
        {
          group: "events.k8s.io",
          resource: "events",
          verbs: { create: "Events (9.2)", patch: "their series when they repeat (C-109)" },
        },
        ...identity,
        metricsReview,
      ],
      namespaced: [
        config(names.config),
        {
          group: "",
          resource: "pods/status",
          verbs: { patch: "a condition of its own pod: whether the configuration is in force (K-33)" },
        },
        {
          group: "coordination.k8s.io",
          resource: "leases",
          verbs: { create: "the Lease where it is not there yet" },
        },
        {
          group: "coordination.k8s.io",
          resource: "leases",
          names: [names.lease],
          verbs: { get: "who leads, and until when", update: "leading, and going on to" },
        },
        {
          group: "",
          resource: "pods",
          verbs: { list: "the hubs that are ready (W-20)", watch: "their comings and goings" },
        },
        {
          group: "apps",
          resource: "statefulsets",
          names: [names.hub],
          verbs: { list: "how many hubs are wanted", watch: "that number, also when others change it" },
        },
        {
          group: "apps",
          resource: "statefulsets/scale",
          names: [names.hub],
          verbs: { patch: "from none to one and back (hub.scaleToZero)" },
        },
      ],
    },
    webhook: {
      cluster: [
        {
          group: "bubustack.io",
          resource: "engrams",
          verbs: { get: "the Engram of a pod that bears no binding (A-06)" },
        },
        {
          group: "transport.bubustack.io",
          resource: "transportbindings",
          verbs: { get: "the binding that an annotation names, and the record of the run's hub (A-09)" },
        },
        {
          group: "transport.bubustack.io",
          resource: "transports",
          verbs: { get: "the connector image of the Transport (C-098)" },
        },
        tokenReviews("who asks for metrics"),
        metricsReview,
      ],
      namespaced: [
        config(names.config),
        { group: "", resource: "pods", verbs: { get: "the image of its own pod (O-22)" } },
      ],
    },
    hub: { cluster: [...worldOf("the hub"), report, ...identity, metricsReview], namespaced: [config(names.config)] },
    certificates: {
      cluster: [{
        group: "admissionregistration.k8s.io",
        resource: "mutatingwebhookconfigurations",
        names: [names.webhookConfiguration],
        verbs: { get: "the authority that it trusts", patch: "our authority in its place" },
      }],
      namespaced: [{
        group: "",
        resource: "secrets",
        names: [names.ca, names.hubTls, names.webhookTls, names.metricsTls],
        verbs: { get: "what there is and when it ends", patch: "new ones in their place" },
      }],
    },
  };
}
