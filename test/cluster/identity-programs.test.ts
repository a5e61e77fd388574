/**
 * W-01 in the programs: `bobravoz controller` and `bobravoz hub --in-cluster`, with certificates, under the accounts and
 * roles of the manifests, `hub.identity` = enforce in the ConfigMap, and tokens that the API server made for pods.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ConnectorState,
  DiscoveryService,
  GetBindingRequestSchema,
  ReportConnectorRequestSchema,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { callUnary } from "../../src/adapters/grpc/codec.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { isTransportError } from "../../src/contract/errors.ts";
import { installation } from "../../src/contract/installation.ts";
import { annotations, requestHeaders } from "../../src/contract/names.ts";
import { grantAccess } from "../support/apiserver/access.ts";
import { type Api, bubuPath, openApi } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { startController } from "../support/controller-process.ts";
import { within } from "../support/deadline.ts";
import { HubKubelet } from "../support/hub-kubelet.ts";
import { createAuthority } from "../support/tls.ts";

const it = suite("identity in the programs");

const labels = { "app.kubernetes.io/name": "bobravoz-grpc", "control-plane": "hub" };

async function world(api: Api, namespace: string): Promise<void> {
  const metadata = (name: string) => ({ name, namespace });
  const data = { "controller.bindings": "create", "hub.identity": "enforce" };
  await api.create({ apiVersion: "v1", kind: "ConfigMap", metadata: metadata(installation.config), data });
  await api.create({
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: metadata(installation.hub),
    spec: {
      replicas: 1,
      serviceName: installation.hubPods,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "hub", image: "bobravoz" }] } },
    },
  });
  await api.create({
    apiVersion: "transport.bubustack.io/v1alpha1",
    kind: "Transport",
    metadata: { name: namespace },
    spec: { provider: "bobravoz", driver: "bobravoz-grpc", supportedBinary: ["application/json"] },
  });
  const bubu = { apiVersion: "bubustack.io/v1alpha1" };
  const steps = ["mic", "vad"];
  for (const name of steps) {
    const spec = { templateRef: { name: "any" }, mode: "deployment" };
    await api.create({ ...bubu, kind: "Engram", metadata: metadata(name), spec });
  }
  await api.create({
    ...bubu,
    kind: "Story",
    metadata: metadata("voice"),
    spec: {
      pattern: "realtime",
      transports: [{ name: "main", transportRef: namespace }],
      steps: [{ name: "mic", ref: { name: "mic" } }, { name: "vad", ref: { name: "vad" }, needs: ["mic"] }],
    },
  });
  await api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: metadata("one-engram-runner") });
  await api.create({
    apiVersion: "runs.bubustack.io/v1alpha1",
    kind: "StoryRun",
    metadata: metadata("one"),
    spec: { storyRef: { name: "voice" } },
  });
}

/** A token of a pod of the step. */
async function tokenOf(api: Api, namespace: string, step: string): Promise<string> {
  const pod = await api.create({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `one-${step}`,
      namespace,
      annotations: { [annotations.storyRun]: "one", [annotations.step]: step },
    },
    spec: { serviceAccountName: "one-engram-runner", containers: [{ name: "engram", image: "engram" }] },
  });
  const answer = await api.post(`/api/v1/namespaces/${namespace}/serviceaccounts/one-engram-runner/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {
      expirationSeconds: 600,
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name: pod.metadata.name, uid: pod.metadata.uid },
    },
  });
  return answer["status"].token as string;
}

testOnCluster(it, "controller and hub let in whom certificate and token prove, and nobody else", async () => {
  await using undo = new AsyncDisposableStack();
  const bed = undo.use(await sharedBed());
  const api = undo.use(openApi(bed.kubeconfig));
  const namespace = await api.namespace("identity");
  undo.defer(() => api.delete(`/api/v1/namespaces/${namespace}`));
  for (const name of [installation.controller, installation.hub]) await grantAccess(api, namespace, name, undo);
  undo.defer(() => api.delete(bubuPath("transports", "", namespace)));
  await world(api, namespace);
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-identity-"));
  undo.defer(() => rm(folder, { recursive: true }));
  const authority = createAuthority("authority");
  const { cert, key, ca } = authority.issue("programs");
  const env: Record<string, string> = {};
  for (const [name, text] of [["TLS_CERT_FILE", cert], ["TLS_KEY_FILE", key], ["CA_FILE", ca]] as const) {
    env[`BUBU_HUB_${name}`] = join(folder, name);
    await writeFile(join(folder, name), text);
  }
  const kubelet = undo.use(
    new HubKubelet({ api, namespace, kubeconfig: await bed.account(namespace, installation.hub), env }),
  );
  // its kubelet starts hubs alone
  for (const step of ["mic", "vad"]) kubelet.held.add(`one-${step}`);
  const controller = undo.use(
    await startController({
      kubeconfig: await bed.account(namespace, installation.controller),
      args: [`--config-namespace=${namespace}`, `--watch-namespace=${namespace}`],
      env: { ...env, POD_NAMESPACE: namespace },
    }),
  );
  const [mic, vad] = [await tokenOf(api, namespace, "mic"), await tokenOf(api, namespace, "vad")];
  const run = await api.until(
    bubuPath("transportbindings", namespace, "one-mic-transport"),
    (binding) => binding?.["status"]?.endpoint !== undefined && kubelet.isReady(`${installation.hub}-0`),
    20_000,
  );
  const hub = kubelet.resolve(run?.["status"].endpoint as string);
  assert.ok(hub !== null, JSON.stringify(run?.["status"]));

  const ours = authority.issue("engrams", [`*.${namespace}.svc.cluster.local`]);
  const others = authority.issue("engrams", ["*.other.svc.cluster.local"]);
  const channel = (address: string, tls: TlsFiles) => {
    const opened = new GrpcChannel({ address, tls: { ...tls, serverName: "localhost" }, clock: systemClock });
    undo.defer(() => opened.close());
    return opened;
  };
  const shown = (token: string | null): Record<string, string> =>
    token === null ? {} : { authorization: `Bearer ${token}` };
  const outcome = async (call: Promise<unknown>): Promise<string> => {
    try {
      await within(10_000, "an answer", call);
      return "accepted";
    } catch (error) {
      return isTransportError(error) ? error.reason : String(error);
    }
  };
  const step = { namespace, storyRun: "one", step: "mic" };
  const stream = (to: GrpcChannel, token: string | null) =>
    outcome(
      new Promise<void>((resolve, reject) => {
        const metadata = {
          ...shown(token),
          [requestHeaders.protocol]: "1.0.0",
          [requestHeaders.namespace]: namespace,
          [requestHeaders.storyRun]: "one",
          [requestHeaders.step]: "mic",
          [requestHeaders.generation]: "1",
        };
        const opened = to.stream("/transport.v1.HubService/Process", { metadata }, {
          headers() {
            resolve();
            opened.cancel();
          },
          message: () => true,
          end: ({ reason, message }) => reject(new Error(`${reason}: ${message}`)),
        });
      }),
    );
  const [atHub, foreign] = [channel(hub, ours), channel(hub, others)];
  assert.is(await stream(atHub, mic), "accepted");
  assert.is(await stream(atHub, null), "accepted");
  assert.match(await stream(atHub, vad), 'is of step "vad", not "mic"');
  assert.match(await stream(atHub, "a.b.c"), "PermissionDenied: identity refused");
  assert.match(await stream(foreign, mic), "PermissionDenied: identity refused");

  const get = (to: GrpcChannel, token: string | null) =>
    outcome(callUnary(to, DiscoveryService.method.getBinding, create(GetBindingRequestSchema, step), {
      metadata: shown(token),
    }));
  const report = (to: GrpcChannel, token: string | null) => {
    const request = create(ReportConnectorRequestSchema, { ...step, generation: 1, state: ConnectorState.READY });
    return outcome(callUnary(to, DiscoveryService.method.reportConnector, request, { metadata: shown(token) }));
  };
  const [asks, strange] = [channel(controller.address, ours), channel(controller.address, others)];
  assert.equal(
    await Promise.all([get(asks, null), get(asks, mic), get(strange, vad), get(strange, null)]),
    ["accepted", "accepted", "accepted", "PermissionDenied"],
  );
  assert.equal(
    await Promise.all([report(asks, mic), report(asks, vad), report(asks, null), report(strange, "a.b.c")]),
    ["accepted", "PermissionDenied", "PermissionDenied", "PermissionDenied"],
  );
});

it.run();
