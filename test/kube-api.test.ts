/** Requests to a Kubernetes API: whose credentials they bear, and what becomes of answers that are none. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KubeConfig } from "@kubernetes/client-node";
import { type KubeApi, openKubeApi } from "../src/adapters/cluster/kube/api.ts";
import { faultOf } from "../src/adapters/cluster/kube/fault.ts";

const it = suite<{ folder: string; kubeconfig: string | undefined }>("kubernetes requests");

it.before.each((context) => {
  context.kubeconfig = process.env["KUBECONFIG"];
  context.folder = mkdtempSync(join(tmpdir(), "bobravoz-kube-api-"));
});

it.after.each(({ kubeconfig, folder }) => {
  if (kubeconfig === undefined) delete process.env["KUBECONFIG"];
  else process.env["KUBECONFIG"] = kubeconfig;
  rmSync(folder, { recursive: true });
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server in place of the API server, and a kubeconfig with two contexts: `first` leads nowhere. */
async function serve(folder: string, handler: Handler, context = "second") {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
  const cluster = (name: string, to: string) => ({ name, cluster: { server: to, "insecure-skip-tls-verify": true } });
  const user = (name: string) => ({ name, user: { token: `token-of-${name}` } });
  const pair = (name: string) => ({ name, context: { cluster: name, user: name } });
  const file = join(folder, "kubeconfig.yaml");
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [cluster("first", "http://127.0.0.1:1"), cluster("second", url)],
      users: [user("first"), user("second")],
      contexts: [pair("first"), pair("second")],
      "current-context": "first",
    }),
  );
  const api: KubeApi = await openKubeApi({ kubeconfig: file, context, answerLimitMs: 300 }).catch((error) => {
    server.close();
    throw error;
  });
  return {
    api,
    url,
    async [Symbol.asyncDispose]() {
      api.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const signal = new AbortController().signal;
const failure = (call: Promise<unknown>) => call.then(() => null, (error) => error);

it("a context that is asked for holds for requests, and for watches, which read the kubeconfig themselves", async ({ folder }) => {
  const seen: (string | undefined)[] = [];
  await using at = await serve(folder, ({ headers }, response) => {
    seen.push(headers.authorization);
    response.end("{}");
  });
  await at.api.request("GET", "/version", { signal });
  assert.equal(seen, ["Bearer token-of-second"]);
  const config = new KubeConfig();
  config.loadFromDefault();
  assert.is(config.getCurrentCluster()?.server, at.url);
});

it("a context or a kubeconfig that is not there is named", async ({ folder }) => {
  const missing = await failure(openKubeApi({ kubeconfig: join(folder, "none") }));
  assert.is(missing?.reason, "InvalidConfiguration");
  const unknown = await failure(serve(folder, () => {}, "third"));
  assert.is(unknown?.message, 'kubeconfig has no context "third", it has first, second');
});

it("refusals have our reasons, with the server's status and words as cause", async ({ folder }) => {
  const wanted = { status: 200, reason: "" };
  await using at = await serve(folder, (_, response) => {
    response.writeHead(wanted.status, { "retry-after": "0" });
    response.end(JSON.stringify({ kind: "Status", reason: wanted.reason, message: "no" }));
  });
  const table = [
    [404, "NotFound"],
    [403, "PermissionDenied"],
    [401, "PermissionDenied"],
    [422, "InvalidRequest"],
    [400, "InvalidRequest"],
    [409, "Unavailable"],
    [410, "Unavailable"],
    [429, "Unavailable"],
    [503, "Unavailable"],
  ] as const;
  for (const [status, reason] of table) {
    Object.assign(wanted, { status, reason: "Word" });
    const error = await failure(at.api.request("GET", "/x?y=1", { signal }));
    assert.is(error?.reason, reason);
    assert.is(error?.message, `GET /x: ${status} no`);
    assert.is(faultOf(error)?.status, status);
    assert.is(faultOf(error)?.reason, "Word");
  }
});

it("no answer, half an answer and no server are all: try again", async ({ folder }) => {
  let how: Handler = () => {};
  const handler: Handler = (request, response) => how(request, response);
  const at = await serve(folder, handler);
  const silent = await failure(at.api.request("GET", "/x", { signal }));
  assert.is(silent?.reason, "Unavailable");
  assert.match(silent.message, "no answer within 300 ms");
  how = (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{", () => response.destroy());
  };
  assert.is((await failure(at.api.request("GET", "/x", { signal })))?.reason, "Unavailable");
  await at[Symbol.asyncDispose]();
  const away = await failure(at.api.request("GET", "/x", { signal }));
  assert.is(away?.reason, "Unavailable");
  assert.is(faultOf(away)?.status, 0);
});

it("a signal ends a request, and its reason is what is thrown", async ({ folder }) => {
  await using at = await serve(folder, () => {});
  const stop = new AbortController();
  const request = failure(at.api.request("GET", "/x", { signal: stop.signal }));
  stop.abort(new Error("stopping"));
  assert.is((await request)?.message, "stopping");
});

it.run();
