/**
 * W-01 on a real API server: tokens of TokenRequest, bound to pods or not, presented to a hub that enforces. The hub asks
 * under an account that has the two verbs it needs and no other.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/adapters/clock.ts";
import type { CallStatus } from "../../src/adapters/grpc/call.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { identityGate } from "../../src/adapters/identity/gate.ts";
import { isTransportError } from "../../src/contract/errors.ts";
import type { TokenProof } from "../../src/contract/identity.ts";
import { annotations, requestHeaders } from "../../src/contract/names.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { type Api, type ApiObject, openApi } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { within } from "../support/deadline.ts";
import { delivery, plan } from "../support/fake-plans.ts";
import { serveHub } from "../support/serve-hub.ts";
import { createAuthority } from "../support/tls.ts";

const it = suite("identity on a cluster");
const limit = () => AbortSignal.timeout(10_000);

interface World extends AsyncDisposable {
  readonly api: Api;
  readonly namespace: string;
  review(token: string, audiences?: readonly string[]): Promise<TokenProof | "refused">;
  readonly reviewer: { review(token: string, signal: AbortSignal): Promise<TokenProof | "refused"> };
  pod(name: string, run: string, step: string): Promise<ApiObject>;
  /** A token of the run's engram runner; `pod` binds it. */
  token(run: string, pod?: ApiObject, more?: object): Promise<string>;
  /** The same token with other claims, signed with the API server's key. */
  resigned(token: string, claims: object): Promise<string>;
}

async function world(): Promise<World> {
  const bed = await sharedBed();
  const api = openApi(bed.kubeconfig);
  const namespace = await api.namespace("identity");
  const metadata = (name: string) => ({ name, namespace });
  for (const name of ["hub", "run-engram-runner", "run-2-engram-runner", "default-2"]) {
    await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(name) });
  }
  const rbac = "rbac.authorization.k8s.io";
  const rules = [
    { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
    { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
  ];
  await api.create({ apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name: namespace }, rules });
  await api.create({
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: namespace },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: namespace },
    subjects: [{ kind: "ServiceAccount", name: "hub", namespace }],
  });
  const { openKubeApi } = await import("../../src/adapters/cluster/kube/api.ts");
  const { tokenReviewer } = await import("../../src/adapters/cluster/kube/token-reviewer.ts");
  const kube = await openKubeApi({ kubeconfig: await bed.account(namespace, "hub") });
  return {
    api,
    namespace,
    reviewer: tokenReviewer({ api: kube }),
    review: (token, audiences = []) => tokenReviewer({ api: kube, audiences }).review(token, limit()),
    pod: (name, run, step) =>
      api.create({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { ...metadata(name), annotations: { [annotations.storyRun]: run, [annotations.step]: step } },
        spec: { serviceAccountName: `${run}-engram-runner`, containers: [{ name: "engram", image: "engram" }] },
      }),
    async token(run, pod, more = {}) {
      const account = run === "default-2" ? run : `${run}-engram-runner`;
      const boundObjectRef = pod === undefined ? {} : {
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name: pod.metadata.name, uid: pod.metadata.uid },
      };
      const answer = await api.post(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 600, ...boundObjectRef, ...more },
      });
      return answer["status"].token as string;
    },
    async resigned(token, claims) {
      const key = createPrivateKey(await readFile(join(dirname(bed.ca), "tokens.key")));
      const [head = "", body = ""] = token.split(".");
      const payload = { ...JSON.parse(Buffer.from(body, "base64url").toString()), ...claims };
      const text = `${head}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
      const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
      return `${text}.${signature.toString("base64url")}`;
    },
    async [Symbol.asyncDispose]() {
      kube.close();
      await api.delete(`/apis/${rbac}/v1/clusterrolebindings/${namespace}`);
      await api.delete(`/apis/${rbac}/v1/clusterroles/${namespace}`);
      await api.delete(`/api/v1/namespaces/${namespace}`);
      api[Symbol.dispose]();
      await bed[Symbol.asyncDispose]();
    },
  };
}

testOnCluster(
  it,
  "a token proves its account, and its pod run and step; what is not valid or outlived its pod nothing",
  async () => {
    await using w = await world();
    const { namespace } = w;
    const pod = await w.pod("run-a", "run", "a");
    const bound = await w.token("run", pod);
    assert.equal(await w.review(bound), {
      namespace,
      serviceAccount: "run-engram-runner",
      pod: { name: "run-a", step: "a", storyRun: "run", storyRunLabel: "" },
    });
    assert.equal(await w.review(await w.token("run")), { namespace, serviceAccount: "run-engram-runner", pod: null });
    assert.is(await w.review("a.b.c"), "refused");
    const [head, , signature] = bound.split(".");
    const changed = Buffer.from(JSON.stringify({ sub: "system:serviceaccount:demo:x" })).toString("base64url");
    assert.is(await w.review(`${head}.${changed}.${signature}`), "refused");
    // made with the API server's own key, and judged by its time alone
    const seconds = Math.floor(Date.now() / 1000);
    const at = (issued: number) => w.resigned(bound, { iat: issued, nbf: issued, exp: issued + 600 });
    assert.is((await w.review(await at(seconds)) as TokenProof).pod?.step, "a");
    assert.is(await w.review(await at(seconds - 3_600)), "refused");
    // a token for somebody else is none for us, and one for us only where that is asked for
    const forOthers = await w.token("run", pod, { audiences: ["others"] });
    assert.is(await w.review(forOthers), "refused");
    assert.is(await w.review(forOthers, ["bobravoz"]), "refused");
    const forUs = await w.token("run", pod, { audiences: ["bobravoz"] });
    assert.is((await w.review(forUs, ["bobravoz"]) as TokenProof).pod?.step, "a");
    assert.is(await w.review(bound, ["bobravoz"]), "refused");
    // the pod goes, and with it its tokens, also where another takes its name
    const path = `/api/v1/namespaces/${namespace}/pods/run-a`;
    await w.api.delete(`${path}?gracePeriodSeconds=0`);
    await w.api.until(path, (object) => object === undefined);
    // kube-apiserver remembers what it accepted for ten seconds; the pod is asked for anew
    assert.is(await w.review(bound), "refused");
    await w.pod("run-a", "run", "a");
    assert.is(await w.review(bound), "refused");
  },
);

testOnCluster(it, "enforce: of real tokens only the one of the pod of run and step opens its stream", async () => {
  await using w = await world();
  const { namespace } = w;
  const [a, b, other, gone] = [
    await w.pod("run-a", "run", "a"),
    await w.pod("run-b", "run", "b"),
    await w.pod("run-2-a", "run-2", "a"),
    await w.pod("gone", "run", "a"),
  ];
  const tokens: Readonly<Record<string, string | null>> = {
    "none": null,
    "right": await w.token("run", a),
    "other step": await w.token("run", b),
    "other run": await w.token("run-2", other),
    "not of a pod": await w.token("run"),
    "not of a runner": await w.token("default-2"),
    "deleted pod": await w.token("run", gone),
    "expired": await w.resigned(await w.token("run", a), { iat: 1e9, nbf: 1e9, exp: 1e9 + 600 }),
    "garbage": "not-a-token",
  };
  const path = `/api/v1/namespaces/${namespace}/pods/gone`;
  await w.api.delete(`${path}?gracePeriodSeconds=0`);
  await w.api.until(path, (object) => object === undefined);

  const authority = createAuthority("authority");
  const gate = (surface: "hub" | "discovery") =>
    identityGate({ surface, mode: "enforce", reviewer: w.reviewer, clock: systemClock, log: silentLog });
  const gates = { hub: gate("hub"), discovery: gate("discovery") };
  const shape = plan(["a>b"], delivery(10));
  const plans = {
    plan: (namespace: string, storyRun: string) => ({ ...shape, namespace, storyRun }),
    subscribe: () => () => {},
    holder: () => "here" as const,
  };
  await using hub = await serveHub(plans, { tls: authority.issue("hub"), identity: gates });
  const tls = { ...authority.issue("engrams", [`*.${namespace}.svc.cluster.local`]), serverName: "localhost" };
  const channel = new GrpcChannel({ address: hub.address, tls, clock: systemClock });
  const open = (token: string | null, storyRun: string, step: string) => {
    const metadata = {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      [requestHeaders.protocol]: "1.0.0",
      [requestHeaders.namespace]: namespace,
      [requestHeaders.storyRun]: storyRun,
      [requestHeaders.step]: step,
      [requestHeaders.generation]: "1",
    };
    const outcome = new Promise<"accepted" | CallStatus["reason"]>((resolve) => {
      const stream = channel.stream("/transport.v1.HubService/Process", { metadata }, {
        headers() {
          resolve("accepted");
          stream.cancel();
        },
        message: () => true,
        end: ({ reason }) => resolve(reason),
      });
    });
    return within(10_000, "an outcome", outcome);
  };
  const seen: Record<string, string[]> = {};
  for (const [name, token] of Object.entries(tokens)) {
    seen[name] = [];
    for (const [run, step] of [["run", "a"], ["run", "b"], ["run-2", "a"]] as const) {
      const outcome = await open(token, run, step);
      if (outcome === "accepted") seen[name].push(`${run}/${step}`);
      else assert.is(outcome, "PermissionDenied", `${name} ${run}/${step}`);
    }
  }
  await channel.close();
  assert.equal(seen, {
    "none": ["run/a", "run/b", "run-2/a"],
    "right": ["run/a"],
    "other step": ["run/b"],
    "other run": ["run-2/a"],
    "not of a pod": [],
    "not of a runner": [],
    "deleted pod": [],
    "expired": [],
    "garbage": [],
  });
});

testOnCluster(it, "who may not review tokens fails, and says which verb is missing", async () => {
  const bed = await sharedBed();
  using api = openApi(bed.kubeconfig);
  const namespace = await api.namespace("identity");
  await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "nobody", namespace } });
  const { openKubeApi } = await import("../../src/adapters/cluster/kube/api.ts");
  const { tokenReviewer } = await import("../../src/adapters/cluster/kube/token-reviewer.ts");
  const kube = await openKubeApi({ kubeconfig: await bed.account(namespace, "nobody") });
  const failed = await tokenReviewer({ api: kube }).review("a.b.c", limit()).catch((error: unknown) => error);
  assert.ok(isTransportError(failed, "PermissionDenied"));
  assert.match(String(failed), "tokenreviews");
  kube.close();
  await api.delete(`/api/v1/namespaces/${namespace}`);
  await bed[Symbol.asyncDispose]();
});

it.run();
