/** How `bobravoz controller` starts, is probed and measured, on a real API server. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { create } from "@bufbuild/protobuf";
import { DiscoveryService, GetBindingRequestSchema } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { GrpcChannel } from "../../src/adapters/grpc/channel.ts";
import { callUnary } from "../../src/adapters/grpc/codec.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { isTransportError } from "../../src/contract/errors.ts";
import { testOnCluster } from "../support/apiserver/bed.ts";
import { faultProxy } from "../support/apiserver/faults.ts";
import { election, Ground } from "../support/controller-ground.ts";
import { failingController } from "../support/controller-process.ts";
import { within } from "../support/deadline.ts";
import { root } from "../support/sources.ts";
import { createAuthority } from "../support/tls.ts";

const it = suite("controller as a program");
const execute = promisify(execFile);

testOnCluster(it, "the bundled program watches everything that the sources do", async () => {
  await using ground = await Ground.open();
  const folder = mkdtempSync(join(tmpdir(), "bobravoz-bundle-"));
  try {
    await execute(process.execPath, [join(root, "scripts", "bundle.ts"), "--out", folder], { timeout: 50_000 });
    const controller = await ground.controller("one", { program: join(folder, "bobravoz.mjs") });
    // without the StatefulSet of hubs in sight it would write nothing for ten seconds
    await ground.run("bundled");
    assert.is((await ground.ready("bundled", 5_000)).length, 2);
    await ground.configure({ "controller.bindings": "wait" });
    await controller.logged("configuration taken over");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

testOnCluster(
  it,
  "C-103 readyz fails until every kind is listed, and healthz is up meanwhile",
  async () => {
    await using ground = await Ground.open();
    let isHeld = true;
    await using proxy = await faultProxy(
      ground.bed,
      ({ url }) => isHeld && /\/stepruns/.test(url) ? { status: 503 } : undefined,
    );
    const kubeconfig = join(tmpdir(), `bobravoz-${ground.namespace}.yaml`);
    const text = readFileSync(await ground.bed.account(ground.namespace, "one"), "utf8");
    writeFileSync(kubeconfig, text.replaceAll(ground.bed.server, proxy.server));
    // ends before the proxy, which waits for its connections
    await using controller = await ground.controller("one", { kubeconfig });
    const status = async (path: string) => (await fetch(`${controller.probes}${path}`)).status;
    await pause(500);
    assert.equal([await status("/readyz"), await status("/healthz")], [503, 200]);
    isHeld = false;
    const ready = async () => {
      while (await status("/readyz") !== 200) await pause(50);
    };
    await within(10_000, "a controller that is ready", ready());
  },
);

testOnCluster(
  it,
  "C-100 a bad security mode and a namespace that may not be read stop the start, each with a message",
  async () => {
    await using ground = await Ground.open({ "hub.transport-security-mode": "plaintext" });
    const { namespace } = ground;
    const kubeconfig = await ground.bed.account(namespace, "one");
    const refused = await failingController({ kubeconfig, args: [`--config-namespace=${namespace}`] });
    assert.is(refused.code, 2);
    assert.match(refused.text, 'hub.transport-security-mode: "plaintext" is not "tls"');
    await ground.api.delete(`/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${namespace}`);
    const denied = await failingController({ kubeconfig, args: [`--config-namespace=${namespace}`] });
    await ground.api.create({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: namespace },
      subjects: [],
    });
    assert.is(denied.code, 6, denied.text);
  },
);

testOnCluster(
  it,
  "C-108 metrics have the documented names, closed labels, and are for those who may",
  async () => {
    await using ground = await Ground.open();
    const { certificate, key } = await ground.bed.certificate("metrics");
    const folder = certificate.slice(0, certificate.lastIndexOf("/"));
    const name = (path: string) => path.slice(folder.length + 1);
    const args = [
      ...["--metrics-bind-address=127.0.0.1:0", `--metrics-cert-path=${folder}`],
      ...[`--metrics-cert-name=${name(certificate)}`, `--metrics-cert-key=${name(key)}`, ...election],
    ];
    const controller = await ground.controller("one", { args });
    await ground.run("counted");
    await ground.ready("counted");
    const token = /token: (\S+)/.exec(readFileSync(await ground.bed.account(ground.namespace, "one"), "utf8"))?.[1];
    const get = (authorization?: string) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const headers = authorization === undefined ? {} : { authorization };
        request(`https://${controller.metrics}/metrics`, { rejectUnauthorized: false, headers }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (more: string) => text += more);
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        }).on("error", reject).end();
      });
    assert.is((await get()).status, 401);
    assert.is((await get("Bearer nobody")).status, 403);
    const { status, text } = await get(`Bearer ${token}`);
    assert.is(status, 200, text);
    for (
      const [metric, type] of [
        ["bobravoz_transport_binding_pending_total", "counter"],
        ["bobravoz_transport_binding_wait_seconds", "histogram"],
        ["rest_client_requests_total", "counter"],
        ["bobravoz_controller_cluster_total", "counter"],
        ["bobravoz_controller_watch_events_total", "counter"],
        ["bobravoz_controller_writes_total", "counter"],
        ["leader_election_master_status", "gauge"],
        ["workqueue_depth", "gauge"],
        ["workqueue_adds_total", "counter"],
        ["workqueue_retries_total", "counter"],
        ["workqueue_queue_duration_seconds", "histogram"],
        ["workqueue_work_duration_seconds", "histogram"],
        ["controller_runtime_reconcile_total", "counter"],
        ["controller_runtime_reconcile_errors_total", "counter"],
        ["controller_runtime_reconcile_time_seconds", "histogram"],
        ["controller_runtime_active_workers", "gauge"],
        ["controller_runtime_max_concurrent_reconciles", "gauge"],
      ]
    ) assert.match(text, `# TYPE ${metric} ${type}\n`);
    assert.match(text, 'leader_election_master_status{name="184655c9.bubustack.io"} 1');
    assert.match(text, /controller_runtime_reconcile_total\{controller="storyrun",result="success"\} [1-9]/);
    assert.match(text, 'bobravoz_transport_binding_wait_seconds_count{transport="grpc",phase="ready"} 1');
    assert.not.match(text, ground.namespace);
    assert.not.match(text, "counted");
    assert.is((await fetch(`${controller.probes}/metrics`)).status, 404);
  },
);

testOnCluster(
  it,
  "discovery over TLS tells a step's binding to whom its certificate proves the namespace, and a ConfigMap loosens it",
  async () => {
    await using ground = await Ground.open();
    const { namespace } = ground;
    const authority = createAuthority("ours");
    const folder = mkdtempSync(join(tmpdir(), "bobravoz-tls-"));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const { cert, key, ca } = authority.issue("controller");
    const env = {
      BUBU_HUB_TLS_CERT_FILE: file("tls.crt", cert),
      BUBU_HUB_TLS_KEY_FILE: file("tls.key", key),
      BUBU_HUB_CA_FILE: file("ca.crt", ca),
    };
    const own = authority.issue("own", [`mic.${namespace}.svc`]);
    const other = authority.issue("other", ["mic.elsewhere.svc"]);
    try {
      const { address } = await ground.controller("one", { env });
      await ground.run("proven");
      await ground.ready("proven");
      const ask = async (tls: TlsFiles): Promise<string> => {
        const channel = new GrpcChannel({ address, tls, clock: systemClock });
        try {
          const request = create(GetBindingRequestSchema, { namespace, storyRun: "proven", step: "mic" });
          const method = DiscoveryService.method.getBinding;
          return (await callUnary(channel, method, request, { timeoutMs: 5_000 })).binding?.hubServerName ?? "";
        } catch (error) {
          return isTransportError(error) ? error.reason : String(error);
        } finally {
          await channel.close();
        }
      };
      assert.is(await ask(own), `bobravoz-grpc-hub.${namespace}.svc.cluster.local`);
      assert.is(await ask(other), "PermissionDenied");
      await ground.configure({ "discovery.identity": "off" });
      await eventuallyAsync(async () => await ask(other) !== "PermissionDenied");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

/** Settles once `holds` is true, within 10 s. */
async function eventuallyAsync(holds: () => Promise<boolean>): Promise<void> {
  const look = async () => {
    while (!await holds()) await pause(100);
  };
  await within(10_000, "what is waited for", look());
}

it.run();
