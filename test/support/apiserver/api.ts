/** A plain REST client of the API server for tests: what they do to a cluster and how they look at it. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { parse } from "yaml";
import type { JsonObject, JsonValue } from "../../../src/contract/resources.ts";

/** Any object of the API. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly [field: string]: JsonValue | undefined | readonly JsonObject[];
  };
  // deno-lint-ignore no-explicit-any -- tests read fields of every kind
  readonly [field: string]: any;
}

/** The API server refused: `status` is the HTTP status, the message the server's. */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(`${status} ${reason}: ${message}`);
    this.status = status;
    this.reason = reason;
  }
}

export interface Api extends Disposable {
  readonly server: string;
  get(path: string): Promise<ApiObject>;
  list(path: string): Promise<readonly ApiObject[]>;
  /** Creates the object where its kind and namespace say. */
  create(object: object): Promise<ApiObject>;
  /** Server-side apply, forced; `subresource` for example `status`. */
  apply(object: object, manager: string, subresource?: string): Promise<ApiObject>;
  patch(
    path: string,
    body: JsonValue,
    type?: "merge-patch" | "json-patch" | "strategic-merge-patch",
  ): Promise<ApiObject>;
  put(path: string, object: object): Promise<ApiObject>;
  post(path: string, object: object): Promise<ApiObject>;
  delete(path: string): Promise<void>;
  /** Settles with the first state of the object for which `holds` is true; undefined stands for one that is gone. */
  until(path: string, holds: (object: ApiObject | undefined) => boolean, ms?: number): Promise<ApiObject | undefined>;
  /** A namespace of its own, with a name that begins so. */
  namespace(prefix: string): Promise<string>;
}

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: Readonly<Record<string, string>> }];
  readonly users: readonly [{ readonly user: Readonly<Record<string, string>> }];
}

/** Opens a client with a kubeconfig of the test bed; `server` stands in for its own address, for example a proxy's. */
export function openApi(kubeconfig: string, server?: string): Api {
  // the runner writes it
  const { clusters: [{ cluster }], users: [{ user }] } = parse(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
  const base = server ?? cluster["server"]!;
  const agent = new Agent({
    keepAlive: true,
    ca: pem(cluster, "certificate-authority"),
    cert: pem(user, "client-certificate"),
    key: pem(user, "client-key"),
  });
  const send = async (method: string, path: string, body?: unknown, type = "application/json") => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const { status, answer } = await new Promise<{ status: number; answer: string }>((resolve, reject) => {
      const call = request(new URL(path, base), {
        agent,
        method,
        headers: {
          accept: "application/json",
          ...(text === "" ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) }),
          ...(user["token"] === undefined ? {} : { authorization: `Bearer ${user["token"]}` }),
        },
      }, (response) => {
        const parts: Uint8Array[] = [];
        response.on("data", (part: Uint8Array) => parts.push(part));
        response.on("error", reject);
        response.on(
          "end",
          () => resolve({ status: response.statusCode ?? 0, answer: Buffer.concat(parts).toString() }),
        );
      });
      call.on("error", reject);
      call.setTimeout(30_000, () => call.destroy(new Error(`${method} ${path} took more than 30 s`)));
      call.end(text);
    });
    if (status >= 200 && status < 300) return (answer === "" ? {} : JSON.parse(answer)) as ApiObject;
    const { reason = "", message = answer } = answer.startsWith("{") ? JSON.parse(answer) : {};
    throw new ApiError(status, reason, message);
  };
  const api: Api = {
    server: base,
    get: (path) => send("GET", path),
    list: async (path) => (await send("GET", path)).items as ApiObject[],
    create: (object) => send("POST", pathOf(object as ApiObject, false), object),
    apply: (object, manager, subresource) => {
      const path = `${pathOf(object as ApiObject, true)}${subresource === undefined ? "" : `/${subresource}`}`;
      return send("PATCH", `${path}?fieldManager=${manager}&force=true`, object, "application/apply-patch+yaml");
    },
    patch: (path, body, type = "merge-patch") => send("PATCH", path, body, `application/${type}+json`),
    put: (path, object) => send("PUT", path, object),
    post: (path, object) => send("POST", path, object),
    delete: async (path) => {
      await send("DELETE", path, { propagationPolicy: "Background" });
    },
    async until(path, holds, ms = 15_000) {
      const deadline = performance.now() + ms;
      for (;;) {
        const last = await send("GET", path).catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 404) return undefined;
          throw error;
        });
        if (holds(last)) return last;
        const leftMs = deadline - performance.now();
        if (leftMs <= 0) throw new Error(`${path} after ${ms} ms: ${JSON.stringify(last ?? null)}`);
        await changed(last, path, Math.min(leftMs, 2000));
      }
    },
    async namespace(prefix) {
      const object = { apiVersion: "v1", kind: "Namespace", metadata: { generateName: `${prefix}-` } };
      return (await send("POST", "/api/v1/namespaces", object)).metadata.name;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
  /** Waits for an event of the object, at most `ms`. */
  const changed = (last: ApiObject | undefined, path: string, ms: number) => {
    const [collection = "", name = ""] = path.split(/\/(?=[^/]+$)/);
    const from = last?.metadata.resourceVersion;
    const query = `watch=1&fieldSelector=metadata.name=${name}${from === undefined ? "" : `&resourceVersion=${from}`}`;
    return new Promise<void>((resolve) => {
      const call = request(new URL(`${collection}?${query}`, base), {
        agent,
        headers: user["token"] === undefined ? {} : { authorization: `Bearer ${user["token"]}` },
      }, (response) => response.once("data", () => call.destroy()));
      call.setTimeout(ms, () => call.destroy());
      call.on("error", () => resolve());
      call.on("close", () => resolve());
      call.end();
    });
  };
  return api;
}

function pem(fields: Readonly<Record<string, string>>, name: string): Buffer | undefined {
  const data = fields[`${name}-data`];
  if (data !== undefined) return Buffer.from(data, "base64");
  return fields[name] === undefined ? undefined : readFileSync(fields[name]);
}

const clusterScoped = new Set([
  ...["Namespace", "Node", "Transport", "EngramTemplate", "ClusterRole", "ClusterRoleBinding"],
  ...["MutatingWebhookConfiguration", "CustomResourceDefinition", "FlowSchema", "PriorityLevelConfiguration"],
]);

const irregular: Readonly<Record<string, string>> = { Story: "stories", NetworkPolicy: "networkpolicies" };

/** Path of an object (`isNamed`) or of its collection. */
export function pathOf({ apiVersion, kind, metadata }: ApiObject, isNamed: boolean): string {
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const where = clusterScoped.has(kind) ? "" : `/namespaces/${metadata.namespace}`;
  const plural = irregular[kind] ?? (/(?:s|x|ch)$/.test(kind) ? `${kind}es` : `${kind}s`).toLowerCase();
  return `${group}${where}/${plural}${isNamed ? `/${metadata.name}` : ""}`;
}

/** Path of an object of ours or of its collection (no name). */
export function bubuPath(
  plural: "stories" | "engrams" | "storyruns" | "stepruns" | "transports" | "transportbindings" | "engramtemplates",
  namespace: string,
  name?: string,
): string {
  const group = {
    stories: "bubustack.io",
    engrams: "bubustack.io",
    engramtemplates: "catalog.bubustack.io",
    storyruns: "runs.bubustack.io",
    stepruns: "runs.bubustack.io",
    transports: "transport.bubustack.io",
    transportbindings: "transport.bubustack.io",
  }[plural];
  const where = plural === "transports" || plural === "engramtemplates" ? "" : `/namespaces/${namespace}`;
  return `/apis/${group}/v1alpha1${where}/${plural}${name === undefined ? "" : `/${name}`}`;
}
