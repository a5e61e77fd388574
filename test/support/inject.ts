/** What a pod injection is decided from, for tests: a pod, objects by name, and options as they are by default. */
import { encodeBindingEnvelope } from "../../src/contract/binding-info.ts";
import { TransportError } from "../../src/contract/errors.ts";
import type { Engram, JsonObject, JsonValue, Transport, TransportBinding } from "../../src/contract/resources.ts";
import type { InjectReads } from "../../src/control/inject-binding.ts";
import { type Admission, injectConnector, type InjectOptions } from "../../src/control/inject.ts";

export const injectOptions: InjectOptions = {
  image: "registry.example/connector:1",
  pullPolicy: "IfNotPresent",
  useTransportImage: false,
  placement: "initContainers",
  resources: null,
  probe: null,
  discoveryEndpoint: "bobravoz-grpc-discovery.bobrapet-system.svc.cluster.local:9100",
  env: { BUBU_HUB_SERVICE_NAMESPACE: "bobrapet-system" },
};

/** An envelope of step `capture` of run `voice-1`, with these merged settings. */
export function envelope(settings: JsonObject = {}, namespace = "demo"): string {
  return encodeBindingEnvelope({
    metadata: { name: "voice-1-capture-transport", namespace },
    spec: {
      transportRef: "speech",
      driver: "bobravoz-grpc",
      connectorEndpoint: "127.0.0.1:50051",
      rawSettings: settings,
      binary: { direction: "bidirectional", mimeTypes: ["application/json"] },
    },
  });
}

export interface PodParts {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly metadata?: JsonObject;
  readonly container?: JsonObject;
  readonly spec?: JsonObject;
}

/** A pod of step `capture`, with the label and without a binding, as a ReplicaSet asks for it. */
export function pod({ labels, annotations, metadata, container, spec }: PodParts = {}): JsonObject {
  const identity = {
    "bubustack.io/step": "capture",
    "bubustack.io/storyrun": "voice-1",
    "bubustack.io/story": "voice",
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: "voice-1-capture-",
      namespace: "demo",
      labels: { "bubustack.io/engram": "microphone", ...identity, ...labels },
      annotations: { ...identity, ...annotations },
      ...metadata,
    },
    spec: {
      containers: [{
        name: "engram",
        image: "registry.example/engram:1",
        env: [{ name: "BUBU_CONNECTOR_GENERATION", value: "1" }, { name: "BUBU_GRPC_PORT", value: "50051" }],
        ...container,
      }],
      ...spec,
    },
  };
}

/** Objects by name; `read` lists what was asked for. An error in the place of an object is thrown. */
export class Objects implements InjectReads {
  readonly read: string[] = [];
  readonly #objects: Readonly<Record<string, object>>;

  /** Keys: `engram demo/microphone`, `binding demo/b`, `transport speech`. */
  constructor(objects: Readonly<Record<string, object>> = {}) {
    this.#objects = objects;
  }
  engram(namespace: string, name: string): Promise<Engram> {
    return this.#get(`engram ${namespace}/${name}`);
  }
  binding(namespace: string, name: string): Promise<TransportBinding> {
    return this.#get(`binding ${namespace}/${name}`);
  }
  transport(name: string): Promise<Transport> {
    return this.#get(`transport ${name}`);
  }
  #get<T>(key: string): Promise<T> {
    this.read.push(key);
    const found = this.#objects[key];
    if (found instanceof Error) return Promise.reject(found);
    // a test puts an object of the kind that its key names
    return found === undefined
      ? Promise.reject(new TransportError("NotFound", `${key} does not exist`))
      : Promise.resolve(found as T);
  }
}

/** Decides about `object`, in the request's namespace `demo`. */
export function admit(
  object: JsonObject,
  objects: InjectReads = new Objects(),
  options: Partial<InjectOptions> = {},
  request: { readonly operation?: string; readonly namespace?: string } = {},
): Promise<Admission> {
  const asked = { operation: "CREATE", namespace: "demo", ...request, pod: object };
  return injectConnector(asked, objects, { ...injectOptions, ...options }, new AbortController().signal);
}

/** The pod with the answer's patch applied; fails where it was denied. */
export function patched(object: JsonObject, admission: Admission): JsonObject {
  if (!admission.allowed) throw new Error(`denied: ${admission.message}`);
  const copy = structuredClone(object);
  for (const { path, value } of admission.patch) {
    const parts = path.slice(1).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = parts.pop()!;
    // our patches only add, to objects and at the end of lists
    const target = parts.reduce((at, part) => (at as JsonObject)[part]!, copy as JsonValue) as Record<
      string,
      JsonValue
    >;
    if (Array.isArray(target) && last === "-") target.push(value);
    else target[last] = value;
  }
  return copy;
}

/** The connector of a pod, wherever it is. */
export function connectorOf(object: JsonObject): JsonObject & { readonly env: readonly JsonObject[] } {
  const { initContainers = [], containers = [] } = object["spec"] as Record<string, JsonObject[]>;
  const found = [...initContainers, ...containers].filter(({ name }) => name === "transport-connector");
  if (found.length !== 1) throw new Error(`${found.length} connectors`);
  return found[0] as JsonObject & { readonly env: readonly JsonObject[] };
}

/** Literal variables of a container by name. */
export function valuesOf(container: { readonly env: readonly JsonObject[] }): Readonly<Record<string, JsonValue>> {
  return Object.fromEntries(
    container.env.flatMap(({ name, value }) => value === undefined ? [] : [[String(name), value]]),
  );
}
