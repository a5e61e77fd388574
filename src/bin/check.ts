/** `bobravoz check`: whether a cluster is ready for an installation (`--pre`), or an installation is in order. */
import { systemClock } from "../adapters/clock.ts";
import type { KubeApi } from "../adapters/cluster/kube/api.ts";
import { connectTo } from "../adapters/rpc/clients.ts";
import { isTransportError } from "../contract/errors.ts";
import { installation } from "../contract/installation.ts";
import { apiVersions, type Kind } from "../contract/names.ts";
import { type Grant, permissionsOf, type Program } from "../contract/permissions.ts";
import type { JsonObject } from "../contract/resources.ts";
import { bad, type CheckFinding, type CrdFacts, judgeAccess, judgeApiServer, judgeCrd, ok } from "../control/check.ts";
import { accessOf, type Asking, get, orUnseen } from "./check/ask.ts";
import { certificateFindings, identityFindings, programFindings, webhookFindings } from "./check/installation.ts";
import { type Io, isColored } from "./io.ts";
import { choice, readOptions } from "./options.ts";
import { type Paint, paint } from "./view/table.ts";

const limitMs = 60_000;

/** Ends with 0 where nothing is wrong, 1 where something is; warnings and what could not be seen change nothing. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values } = readOptions("check", argv, {
    pre: { type: "boolean" },
    namespace: { type: "string", short: "n" },
    "cluster-domain": { type: "string" },
    hub: { type: "string" },
    discovery: { type: "string" },
    kubeconfig: { type: "string" },
    context: { type: "string" },
    output: { type: "string" },
  }, [0, 0]);
  const output = choice("check", "output", values["output"], ["text", "json"]);
  const namespace = String(values["namespace"] ?? installation.namespace);
  const domain = String(values["cluster-domain"] ?? "cluster.local");
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(limitMs)]);
  const [{ openKubeApi }, { kubeKinds }] = await Promise.all([
    import("../adapters/cluster/kube/api.ts"),
    import("../adapters/cluster/kube/kinds.ts"),
  ]);
  const { kubeconfig, context } = values as { kubeconfig?: string; context?: string };
  const api = await openKubeApi({
    ...kubeconfig === undefined ? {} : { kubeconfig },
    ...context === undefined ? {} : { context },
    userAgent: "bobravoz-check",
  });
  try {
    const asking = { api, signal };
    const findings: CheckFinding[] = [await apiServer(asking, api)];
    // nothing more to learn where nobody answers
    if (findings[0]?.state !== "failed") {
      findings.push(...await crds(asking, kubeKinds));
      if (values["pre"] === true) findings.push(...await mayInstall(asking, namespace));
      else {
        const config = await configOf(asking, namespace);
        const looked = await Promise.all([
          access(asking, namespace),
          certificateFindings(asking, namespace, domain, systemClock.nowMs()),
          webhookFindings(asking, namespace),
          programFindings(asking, namespace, config),
          reach(io, "hub", values["hub"]),
          reach(io, "discovery", values["discovery"]),
          identityFindings(asking, config["hub.identity"]?.trim() || "observe"),
        ]);
        findings.push(...looked.flat());
      }
    }
    io.out(output === "json" ? JSON.stringify({ findings }) + "\n" : textOf(findings, paint(isColored(io))));
    return findings.some(({ state }) => state === "failed") ? 1 : 0;
  } finally {
    api.close();
  }
}

async function apiServer({ api, signal }: Asking, { server }: Pick<KubeApi, "server">): Promise<CheckFinding> {
  try {
    const { major, minor } = await api.request("GET", "/version", { signal });
    return judgeApiServer(server, { major: String(major), minor: String(minor) });
  } catch (error) {
    if (!isTransportError(error)) throw error;
    return judgeApiServer(server, error.message);
  }
}

async function crds(asking: Asking, kinds: Readonly<Record<Kind, { readonly plural: string }>>) {
  const looked = await Promise.all((Object.keys(kinds) as Kind[]).map((kind) =>
    orUnseen("crds", kind, async () => {
      const name = `${kinds[kind].plural}.${apiVersions[kind].split("/")[0]}`;
      const found = await get(asking, `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`);
      return [judgeCrd(kind, found === null ? null : found["spec"] as unknown as CrdFacts)];
    })
  ));
  return looked.flat();
}

/** The rights of each program's account, by the table that the manifests are made of. */
async function access(asking: Asking, namespace: string): Promise<readonly CheckFinding[]> {
  const accounts: readonly Program[] = ["controller", "webhook", "hub"];
  const table = permissionsOf(installation);
  const looked = await Promise.all(accounts.map((program) => {
    const name = installation[program];
    return orUnseen("access", name, async () => {
      const account = `system:serviceaccount:${namespace}:${name}`;
      const { cluster, namespaced } = table[program];
      const facts = await Promise.all([
        accessOf(asking, account, cluster, ""),
        accessOf(asking, account, namespaced, namespace),
      ]);
      return judgeAccess(name, facts.flat());
    });
  }));
  return looked.flat();
}

const creates = (group: string, ...resources: readonly string[]): readonly Grant[] =>
  resources.map((resource) => ({ group, resource, verbs: { create: "installing it" } }));

/** Whether the caller may install. */
function mayInstall(asking: Asking, namespace: string): Promise<readonly CheckFinding[]> {
  return orUnseen("access", "you", async () => {
    const rbac = "rbac.authorization.k8s.io";
    const facts = await Promise.all([
      accessOf(asking, null, [
        ...creates(rbac, "clusterroles", "clusterrolebindings"),
        ...creates("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
      ], ""),
      accessOf(asking, null, [
        ...creates("", "services", "configmaps", "serviceaccounts", "secrets"),
        ...creates("apps", "deployments", "statefulsets"),
        ...creates("networking.k8s.io", "networkpolicies"),
        ...creates("policy", "poddisruptionbudgets"),
        ...creates(rbac, "roles", "rolebindings"),
      ], namespace),
    ]);
    return judgeAccess("you", facts.flat()).map((finding) =>
      finding.state === "failed" ? { ...finding, hint: "install as a cluster administrator" } : finding
    );
  });
}

async function configOf(asking: Asking, namespace: string): Promise<Readonly<Record<string, string>>> {
  const found = await get(asking, `/api/v1/namespaces/${namespace}/configmaps/${installation.config}`).catch(
    (error: unknown): JsonObject | null => {
      // then the defaults are what can be judged by
      if (isTransportError(error) && error.reason === "PermissionDenied") return null;
      throw error;
    },
  );
  return (found?.["data"] ?? {}) as Readonly<Record<string, string>>;
}

/** Whether something answers in HTTP/2 at an address; nothing is said where none is given. */
async function reach(io: Io, name: string, address: string | boolean | undefined): Promise<readonly CheckFinding[]> {
  if (typeof address !== "string") return [];
  try {
    const connection = connectTo(address, io);
    try {
      await connection.open();
      return [ok("reach", name, address)];
    } finally {
      connection.close();
    }
  } catch (error) {
    if (!isTransportError(error)) throw error;
    const hint = `from outside of the cluster: kubectl port-forward service/${
      name === "hub" ? installation.hub : installation.discovery
    }`;
    return [bad("failed", "reach", name, error.message, hint)];
  }
}

const marks = { ok: "✓", warning: "!", failed: "✗", unknown: "?" } as const;

function textOf(findings: readonly CheckFinding[], paint: Paint): string {
  const lines = findings.flatMap(({ area, state, subject, message, hint }) => {
    const line = `${marks[state]} ${area}: ${subject}${message === "" ? "" : `: ${message}`}`;
    const painted = state === "ok" ? paint.good(line) : state === "failed" ? paint.bad(line) : line;
    return hint === "" ? [painted] : [painted, `    ${hint}`];
  });
  const count = (state: CheckFinding["state"]) => findings.filter((each) => each.state === state).length;
  const summary = `${count("ok")} in order, ${count("failed")} wrong, ${count("warning")} to mind, ${
    count("unknown")
  } not seen`;
  return [...lines, summary, ""].join("\n");
}
