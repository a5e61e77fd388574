// The admission webhook's port: what it answers to reviews and to what is none, within which limits, and how its
// certificate is replaced.

import { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AdmissionMetrics } from "../src/adapters/admission/metrics.ts";
import { type AnswerFact, listenAdmission } from "../src/adapters/admission/server.ts";
import { followPair, readPair, type ServingPair } from "../src/adapters/admission/serving-certificate.ts";
import { systemClock } from "../src/adapters/clock.ts";
import { createLog } from "../src/adapters/log.ts";
import { silentLog } from "../src/contract/runtime.ts";
import type { Admission, PodRequest } from "../src/control/inject.ts";
import { within } from "./support/deadline.ts";
import { eventually } from "./support/eventually.ts";
import { admit, envelope, Objects, pod } from "./support/inject.ts";
import { createAuthority } from "./support/tls.ts";

const authority = createAuthority("webhook tests");

const path = "/mutate-transport-connector-pod";

interface Answered {
  readonly status: number;
  readonly body: string;
  /** Serial number of the certificate that was met. */
  readonly serial: string;
}

interface AskOptions {
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly ca?: string;
}

function ask(address: string, body: string, options: AskOptions = {}): Promise<Answered> {
  const agent = new Agent({ keepAlive: false });
  return within(
    5_000,
    "the answer",
    new Promise((resolve, reject) => {
      const call = request({
        agent,
        host: "127.0.0.1",
        port: Number(address.split(":")[1]),
        method: options.method ?? "POST",
        path: options.path ?? path,
        ca: options.ca ?? authority.ca,
        headers: { "content-type": options.type ?? "application/json", "content-length": Buffer.byteLength(body) },
      }, (response) => {
        const serial = (response.socket as TLSSocket).getPeerCertificate().serialNumber;
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => text += part);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text, serial }));
      });
      call.on("error", reject);
      call.end(body);
    }),
  );
}

interface Served extends AsyncDisposable {
  readonly address: string;
  readonly facts: AnswerFact[];
  readonly logged: string[];
  renew(pair: ServingPair): void;
}

type Decide = (request: PodRequest, signal: AbortSignal) => Promise<Admission>;

const injecting: Decide = (request) => admit(request.pod, new Objects(), {}, request);

async function serve(decide: Decide = injecting): Promise<Served> {
  const facts: AnswerFact[] = [];
  const logged: string[] = [];
  const server = await listenAdmission({
    host: "127.0.0.1",
    port: 0,
    pair: authority.issue("webhook"),
    decide,
    answered: (fact) => facts.push(fact),
    clock: systemClock,
    log: createLog({ write: (line) => logged.push(line) }),
  });
  return {
    address: server.address,
    facts,
    logged,
    renew: (pair) => server.renew(pair),
    [Symbol.asyncDispose]: () => server.close(1_000),
  };
}

function review(object: object, more: object = {}): string {
  return JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "u-1",
      kind: { group: "", version: "v1", kind: "Pod" },
      operation: "CREATE",
      namespace: "demo",
      object,
      ...more,
    },
  });
}

function responseOf({ status, body }: Answered) {
  assert.is(status, 200, body);
  const { apiVersion, kind, response } = JSON.parse(body);
  assert.equal([apiVersion, kind, response.uid], ["admission.k8s.io/v1", "AdmissionReview", "u-1"]);
  return response;
}

const it = suite("admission port");

it("C-090 a review of a bound pod is answered with a JSON patch", async () => {
  await using served = await serve();
  const object = pod({ annotations: { "transport.bubustack.io/binding": envelope() } });
  const response = responseOf(await ask(served.address, review(object), { path: `${path}?timeout=10s` }));
  assert.equal([response.allowed, response.patchType], [true, "JSONPatch"]);
  const patch = JSON.parse(Buffer.from(response.patch, "base64").toString());
  assert.equal(patch.map(({ path }: { path: string }) => path), [
    "/metadata/labels/transport.bobravoz.bubustack.io~1connector",
    "/metadata/annotations/transport.bobravoz.bubustack.io~1connector-injected",
    "/spec/initContainers",
  ]);
  assert.equal(served.facts.map(({ status, outcome }) => [status, outcome]), [[200, "injected"]]);
});

it("C-091 C-092 pods that are not ours are allowed, undecodable bindings denied with the reason", async () => {
  await using served = await serve();
  assert.equal(responseOf(await ask(served.address, review({ metadata: { name: "nginx" } }))), {
    uid: "u-1",
    allowed: true,
  });
  const other = { kind: { group: "apps", version: "v1", kind: "Deployment" } };
  assert.is(responseOf(await ask(served.address, review(pod(), other))).allowed, true);
  const removed = { operation: "DELETE", object: null };
  assert.is(responseOf(await ask(served.address, review({}, removed))).allowed, true);
  const bad = pod({ annotations: { "transport.bubustack.io/binding": "nonsense" } });
  const { allowed, status } = responseOf(await ask(served.address, review(bad)));
  assert.equal([allowed, status.code], [false, 400]);
  assert.match(status.message, "transport.bubustack.io/binding");
  assert.equal(served.facts.map(({ outcome }) => outcome), ["unchanged", "unchanged", "unchanged", "denied"]);
});

it("what is no AdmissionReview is answered by HTTP status and a sentence", async () => {
  await using served = await serve();
  const { address } = served;
  const rows: readonly [Promise<Answered>, number, string][] = [
    [ask(address, "{"), 400, "it is not JSON"],
    [ask(address, "[]"), 400, "not a JSON object"],
    [ask(address, '{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}'), 400, "v1beta1"],
    [ask(address, '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}'), 400, "it has no request"],
    [ask(address, review({}, { uid: "" })), 400, "no uid"],
    [ask(address, "{}", { type: "text/plain" }), 415, "application/json"],
    [ask(address, "", { method: "GET" }), 405, "POST"],
    [ask(address, "{}", { path: "/other" }), 404, path],
  ];
  for (const [answer, status, text] of rows) {
    const { status: given, body } = await answer;
    assert.is(given, status, body);
    assert.match(body, text);
  }
  assert.ok(served.facts.every(({ outcome }) => outcome === "malformed"));
});

it("a body above the limit is refused before it is read to its end", async () => {
  await using served = await serve();
  const answer = await ask(served.address, review({ filler: "x".repeat(8_000_000) })).catch((error: Error) => error);
  // a client that still writes may see the connection end in the place of the answer
  if (!(answer instanceof Error)) assert.is(answer.status, 413);
  assert.is((await ask(served.address, review({}))).status, 200);
});

it("a labelled pod is denied when the answer takes too long or the decision breaks, within the caller's time", async () => {
  const slow: Decide = (_request, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  await using served = await serve(slow);
  const late = responseOf(await ask(served.address, review(pod()), { path: `${path}?timeout=1s` }));
  assert.equal([late.allowed, late.status.code], [false, 504]);
  await using broken = await serve(() => Promise.reject(new Error("a bug of ours")));
  const failed = responseOf(await ask(broken.address, review(pod())));
  assert.equal([failed.allowed, failed.status.code], [false, 500]);
  // the log tells what the API server's users need not see
  assert.not.match(failed.status.message, "a bug of ours");
  assert.match(broken.logged.join(), "a bug of ours");
  assert.is(broken.facts[0]?.outcome, "failed");
});

it("C-107 a replaced certificate is used by the next connection, and half a replacement by none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bobravoz-admission-"));
  const files = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  const write = async ({ cert, key }: ServingPair) => {
    await writeFile(files.certFile, cert);
    await writeFile(files.keyFile, key);
  };
  const [first, second] = [authority.issue("one"), authority.issue("two")];
  await using served = await serve();
  const stop = new AbortController();
  const seen: ServingPair[] = [];
  const following = followPair(files, (pair) => {
    seen.push(pair);
    served.renew(pair);
  }, { clock: systemClock, log: silentLog, signal: stop.signal });
  try {
    await write(first); // it was not there when the program started
    await eventually("the first pair", () => seen.length === 1);
    const before = await ask(served.address, review({}));
    await writeFile(files.certFile, second.cert);
    assert.match(String(await readPair(files).catch((error: Error) => error.message)), "is not the key of");
    assert.is((await ask(served.address, review({}))).serial, before.serial);
    await write(second);
    await eventually("the second pair", () => seen.length === 2);
    assert.is.not((await ask(served.address, review({}))).serial, before.serial);
    await writeFile(files.keyFile, "nonsense");
    assert.match(String(await readPair(files).catch((error: Error) => error.message)), "cannot be used");
  } finally {
    stop.abort();
    await following;
    await rm(folder, { recursive: true });
  }
});

it("C-108 requests and latency are counted under controller-runtime's names", async () => {
  const metrics = new AdmissionMetrics("1.2.3", () => 1_800_000_000_000);
  metrics.answered({ status: 200, outcome: "injected", tookMs: 3 });
  metrics.answered({ status: 400, outcome: "malformed", tookMs: 1 });
  const text = await metrics.render();
  for (
    const line of [
      `controller_runtime_webhook_requests_total{webhook="${path}",code="200"} 1`,
      `controller_runtime_webhook_requests_total{webhook="${path}",code="400"} 1`,
      `controller_runtime_webhook_latency_seconds_count{webhook="${path}"} 2`,
      'bobravoz_webhook_admissions_total{result="injected"} 1',
      "bobravoz_webhook_certificate_not_after_seconds 1800000000",
    ]
  ) assert.match(text, line);
});

it.run();
