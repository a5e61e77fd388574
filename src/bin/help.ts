/** `bobravoz help [COMMAND]`: examples first. */
import { TransportError } from "../contract/errors.ts";
import { type CommandName, commands, isCommand } from "./commands.ts";
import { exitCodeMeanings } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { suggestion } from "./suggest.ts";

interface Help {
  readonly summary: string;
  readonly usage: string;
  readonly examples: readonly string[];
  /** Flag and what it does. */
  readonly flags: readonly (readonly [string, string])[];
  readonly notes?: readonly string[];
}

const discoveryFlag = [
  "--discovery ADDRESS",
  "binding discovery; default $BOBRAVOZ_DISCOVERY_ENDPOINT, else 127.0.0.1:9000",
] as const;
const hubFlag = ["--hub ADDRESS", "hub; default $BOBRAVOZ_HUB_ENDPOINT, else 127.0.0.1:9000"] as const;
const generationFlag = [
  "--generation N",
  "connector generation; default 1, a lower one than the step's is refused",
] as const;

const helps = {
  local: {
    summary: "run the Stories of a folder on this machine, with a hub and without a cluster",
    usage: "bobravoz local DIR [--listen ADDRESS] [--health-listen ADDRESS] [--once] [--fast]",
    examples: ["bobravoz local examples/voice", "bobravoz local examples/voice --once --fast"],
    flags: [
      ["--listen ADDRESS", "where the hub listens; default 127.0.0.1:9000"],
      ["--health-listen ADDRESS", "/healthz, /readyz and /metrics; default 127.0.0.1:8081, or a free port"],
      ["--once", "end when the programs have ended; 0 only if every packet is accounted for"],
      ["--fast", "tell the programs not to pace themselves (BOBRAVOZ_EXAMPLE_FAST=1)"],
    ],
    notes: [
      "Edits of the manifests take effect while it runs. Status files go to DIR/.bobravoz, never into manifests.",
    ],
  },
  inspect: {
    summary: "show how a Story would run: the way of each edge with its reason, warnings and faults",
    usage: "bobravoz inspect STORY.yaml|DIR [--output text|json|mermaid|dot]",
    examples: ["bobravoz inspect examples/voice/story.yaml", "bobravoz inspect examples/voice --output mermaid"],
    flags: [["--output FORMAT", "text (default), json, mermaid or dot"]],
    notes: ["Works offline, over the manifests beside the Story. Ends with 3 where a Story is refused."],
  },
  bindings: {
    summary: "list bindings with their state, versions, connectors and counters",
    usage: "bobravoz bindings [NAMESPACE/RUN[/STEP]] [--discovery ADDRESS] [--output text|json] [--watch]",
    examples: [
      "bobravoz bindings",
      "bobravoz bindings demo/voice-local/mic --output json",
      "bobravoz bindings demo/voice-local --watch",
    ],
    flags: [
      discoveryFlag,
      ["--output FORMAT", "text (default) or json, one list a line"],
      ["--watch", "list again when something changes, until interrupted"],
    ],
  },
  check: {
    summary: "look whether a cluster is ready for an installation, or an installation is in order",
    usage: "bobravoz check [--pre] [-n NAMESPACE] [--hub ADDRESS] [--discovery ADDRESS] [--output text|json]",
    examples: ["bobravoz check --pre", "bobravoz check", "bobravoz check --discovery 127.0.0.1:9100 --output json"],
    flags: [
      ["--pre", "before an installation: API server, CRDs, and whether you may install"],
      ["-n, --namespace NAMESPACE", "of the installation; default bobrapet-system"],
      ["--cluster-domain DOMAIN", "which certificates have to bear; default cluster.local"],
      ["--hub ADDRESS", "connect to a hub, for example through kubectl port-forward"],
      ["--discovery ADDRESS", "connect to binding discovery, likewise"],
      ["--kubeconfig FILE, --context NAME", "the cluster; default as kubectl"],
      ["--output FORMAT", "text (default) or json"],
    ],
    notes: ["✓ in order, ! to mind, ✗ wrong, ? not seen. Ends with 1 where something is wrong. Writes nothing."],
  },
  why: {
    summary: "say the one thing that a run waits for, and who must act",
    usage: "bobravoz why [NAMESPACE/]RUN [-n NAMESPACE] [--manifests DIR] [--discovery ADDRESS] [--output text|json]",
    examples: [
      "bobravoz why voice-7 -n demo",
      "bobravoz why demo/voice-local --manifests examples/voice",
      "bobravoz why demo/voice-7 --discovery 127.0.0.1:9100 --output json",
    ],
    flags: [
      ["-n, --namespace NAMESPACE", "of the run; default: default"],
      ["--manifests DIR", "look into a directory instead of a cluster"],
      ["--discovery ADDRESS", "ask binding discovery too: it alone knows which connector refused its binding"],
      ["--operator-namespace NAMESPACE", "where the hubs are; default bobrapet-system"],
      ["--kubeconfig FILE, --context NAME", "the cluster; default as kubectl"],
      ["--output FORMAT", "text (default) or json"],
    ],
    notes: ["Reads objects by name, and lists the hub pods where it may. Ends with 4 where there is no such run."],
  },
  send: {
    summary: "be a step that sends: JSON packets from standard input, one a line",
    usage: "bobravoz send NAMESPACE/RUN/STEP [--hub ADDRESS] [--generation N]",
    examples: [
      `echo '{"payload": {"text": "hello"}}' | bobravoz send demo/voice-local/mic`,
      `echo '{"text": "hello"}' | bobravoz send demo/voice-local/mic`,
    ],
    flags: [hubFlag, generationFlag],
    notes: [
      "A line is a DataPacket as JSON (metadata, payload, inputs, audio, video, binary, transports, envelope), or any other",
      "object, which is then the payload. A connection of the same step is taken over.",
    ],
  },
  recv: {
    summary: "be a step that receives: JSON packets to standard output, one a line",
    usage: "bobravoz recv NAMESPACE/RUN/STEP [--count N] [--hub ADDRESS] [--generation N]",
    examples: ["bobravoz recv demo/voice-local/meter", "bobravoz recv demo/voice-local/writer --count 1"],
    flags: [
      ["--count N", "end after N packets; default: when interrupted or the stream ends"],
      hubFlag,
      generationFlag,
    ],
    notes: ["Each packet is acknowledged once it is printed. A connection of the same step is taken over."],
  },
  hub: {
    summary: "run a hub with discovery over a folder of manifests, or one of several hubs of a cluster",
    usage:
      "bobravoz hub (--manifests DIR | --in-cluster) [--listen ADDRESS] [--health-listen ADDRESS] [--advertise ADDRESS]",
    examples: ["bobravoz hub --manifests examples/voice", "bobravoz hub --in-cluster --advertise hub.example:9000"],
    flags: [
      ["--manifests DIR", "the Stories, Transports and Engrams; edits take effect while it runs"],
      ["--listen ADDRESS", "gRPC port; default 127.0.0.1:9000; elsewhere than on loopback it needs certificates"],
      ["--health-listen ADDRESS", "/healthz, /readyz and /metrics; default 127.0.0.1:8081"],
      ["--advertise ADDRESS", "what bindings say of this hub; default $BUBU_HUB_ENDPOINT, else where it listens"],
      [
        "--in-cluster",
        "hold the runs that are placed on this pod; $POD_NAME makes its address",
      ],
      ["--kubeconfig FILE", "with --context NAME: another API server than the pod's own"],
      ["--watch-namespace NAME", "the only namespace that it reads; default all"],
      ["--config-namespace NAME", "with --config-name NAME: the operator's ConfigMap"],
      ["--health-probe-bind-address ADDRESS", "the same as --health-listen, default :8081 in a cluster"],
      [
        "--metrics-bind-address ADDRESS",
        "with --metrics-secure, --metrics-cert-path, -name, -key as for the controller",
      ],
    ],
    notes: [
      "Certificates: BUBU_HUB_TLS_CERT_FILE, BUBU_HUB_TLS_KEY_FILE and BUBU_HUB_CA_FILE.",
      "With BUBU_HUB_ENDPOINT in a cluster this hub holds every run, and must be the only one.",
    ],
  },
  connector: {
    summary: "be the sidecar of an engram: between its SDK and the hub or its peers",
    usage: "bobravoz connector [--health-listen ADDRESS]",
    examples: ["bobravoz connector"],
    flags: [["--health-listen ADDRESS", "/healthz, /readyz and /metrics; default: not served"]],
    notes: [
      "Configured by its environment: BUBU_TRANSPORT_BINDING or BOBRAVOZ_DISCOVERY_ENDPOINT, BUBU_HUB_ENDPOINT,",
      "BUBU_STORYRUN_ID, BUBU_POD_NAMESPACE, BUBU_STEP_NAME, BUBU_CONNECTOR_GENERATION. Ends with 1 where one is missing",
      "or the hub cannot be reached again, with 0 at SIGTERM.",
    ],
  },
  controller: {
    summary: "decide the runs of a cluster, publish the decisions, and serve binding discovery",
    usage: "bobravoz controller [--kubeconfig FILE] [--context NAME] [--leader-elect] [--listen ADDRESS]",
    examples: [
      "bobravoz controller --context kind-demo --watch-namespace demo",
      "bobravoz controller --leader-elect --metrics-bind-address=:8443 --metrics-cert-path=/certs",
    ],
    flags: [
      ["--kubeconfig FILE, --context NAME", "default: KUBECONFIG, ~/.kube/config, or the pod's own account"],
      ["--watch-namespace NAME", "objects of this namespace alone, and Transports; default: of all"],
      ["--leader-elect", "one of several replicas writes; each serves discovery"],
      ["--leader-elect-lease-duration TIME", "and -renew-deadline, -retry-period; default 15s, 10s, 2s"],
      ["--listen ADDRESS", "discovery; default 127.0.0.1:9100, in a pod :9100; off loopback it needs certificates"],
      ["--health-probe-bind-address ADDRESS", "/healthz and /readyz; default :8081; 0: off"],
      ["--metrics-bind-address ADDRESS", "metrics by HTTPS for those who may; default 0: off"],
      ["--metrics-cert-path DIR", "folder of tls.crt and tls.key (--metrics-cert-name, --metrics-cert-key)"],
      ["--metrics-secure=false", "metrics by HTTP, for everybody"],
      [
        "--config-namespace, --config-name NAME",
        "the ConfigMap; default bobrapet-system, bobravoz-grpc-operator-config",
      ],
      ["--hub-port PORT", "of the hub in the addresses that are published; default 9000"],
      ["--zap-log-level LEVEL", "info (default), debug, warn or error"],
    ],
    notes: [
      "A flag goes before a variable, before the ConfigMap, before the default. Hubs are found by BUBU_HUB_SERVICE_NAME,",
      "BUBU_HUB_SERVICE_NAMESPACE and BUBU_HUB_CLUSTER_DOMAIN; BUBU_HUB_ENDPOINT is every run's hub instead.",
      "Certificates: BUBU_HUB_TLS_CERT_FILE, BUBU_HUB_TLS_KEY_FILE and BUBU_HUB_CA_FILE, else /var/run/hub-tls.",
    ],
  },
  webhook: {
    summary: "give pods of engrams their connector when they are created",
    usage: "bobravoz webhook --webhook-cert-path DIR [--listen ADDRESS] [--kubeconfig FILE]",
    examples: ["bobravoz webhook --webhook-cert-path ./certs --listen 127.0.0.1:9443"],
    flags: [
      ["--webhook-cert-path DIR", "folder of tls.crt and tls.key (--webhook-cert-name, --webhook-cert-key); followed"],
      ["--listen ADDRESS", "HTTPS port of /mutate-transport-connector-pod; default :9443, every address"],
      ["--health-probe-bind-address ADDRESS", "/healthz, /readyz and /metrics; default :8081; 0: off"],
      ["--metrics-bind-address ADDRESS", "metrics by HTTPS for those who may; default 0: off"],
      ["--connector-image IMAGE", "goes before CONNECTOR_IMAGE and the ConfigMap's connector.image"],
      [
        "--connector-placement WHERE",
        "auto (default: initContainers since Kubernetes 1.29), initContainers, containers",
      ],
      [
        "--config-namespace, --config-name NAME",
        "the ConfigMap; default bobrapet-system, bobravoz-grpc-operator-config",
      ],
      ["--kubeconfig FILE, --context NAME", "default: KUBECONFIG, ~/.kube/config, or the pod's own account"],
    ],
    notes: [
      "ENABLE_WEBHOOKS=false serves probes only. Labelled pods are refused while no webhook answers (failurePolicy Fail),",
      "others never: the API server does not ask about them.",
    ],
  },
  certificates: {
    summary: "make and renew the certificates of an installation without cert-manager",
    usage: "bobravoz certificates [--namespace NAME] [--once] [--engram NAMESPACE/SECRET[,…]]",
    examples: ["bobravoz certificates --once", "bobravoz certificates --engram demo/engram-tls"],
    flags: [
      ["--namespace NAME", "of the installation; default bobrapet-system"],
      ["--once", "put right what is missing, wrong or old, and end; default: look every minute"],
      ["--engram NAMESPACE/SECRET", "write certificates for engrams of these namespaces instead, for a year, and end"],
      ["--webhook-configuration NAME", "registration that is to trust the authority"],
      ["--cluster-domain DOMAIN", "default cluster.local, or what BUBU_HUB_CLUSTER_DOMAIN says"],
      ["--kubeconfig FILE, --context NAME", "default: KUBECONFIG, ~/.kube/config, or the pod's own account"],
    ],
    notes: ["The authority lives 10 years, certificates 90 days; each is renewed after two thirds of its life."],
  },
  version: {
    summary: "print the version",
    usage: "bobravoz version [--output text|json]",
    examples: ["bobravoz version"],
    flags: [["--output FORMAT", "text (default) or json"]],
  },
  help: {
    summary: "explain a command",
    usage: "bobravoz help [COMMAND]",
    examples: ["bobravoz help inspect"],
    flags: [],
  },
} as const satisfies Record<CommandName, Help>;

export function run(argv: readonly string[], io: Io): Promise<number> {
  const [name] = argv;
  if (name === undefined) {
    io.out(helpText());
  } else {
    if (!isCommand(name)) {
      throw new TransportError("Usage", `unknown command "${name}"${suggestion(name, Object.keys(commands))}`);
    }
    io.out(commandHelp(name));
  }
  return Promise.resolve(0);
}

/** Help on the whole program. */
export function helpText(): string {
  const names = Object.keys(helps) as CommandName[];
  const width = Math.max(...names.map((name) => name.length)) + 2;
  return [
    "bobravoz: transport hub, binding discovery and topology for realtime Stories",
    "",
    "Examples:",
    "  bobravoz local examples/voice                  run a Story on this machine",
    "  bobravoz inspect examples/voice/story.yaml     see the way of each edge, and why",
    "  bobravoz bindings                              see what runs",
    "",
    "Commands:",
    ...names.map((name) => `  ${name.padEnd(width)}${helps[name].summary}`),
    "",
    "Exit codes:",
    ...Object.entries(exitCodeMeanings).map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`),
    "",
    "Results go to standard output, messages and logs to standard error. NO_COLOR turns colours off.",
    "bobravoz help COMMAND tells more.",
    "",
  ].join("\n");
}

/** Help on one command. */
export function commandHelp(name: CommandName): string {
  const help: Help = helps[name];
  const width = Math.max(0, ...help.flags.map(([flag]) => flag.length));
  return [
    `bobravoz ${name}: ${help.summary}`,
    "",
    "Examples:",
    ...help.examples.map((example) => `  ${example}`),
    "",
    "Usage:",
    `  ${help.usage}`,
    ...(help.flags.length === 0 ? [] : ["", "Flags:"]),
    ...help.flags.map(([flag, meaning]) => `  ${flag.padEnd(width)}  ${meaning}`),
    ...(help.notes === undefined ? [] : ["", ...help.notes]),
    "",
  ].join("\n");
}
