import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CheckFinding, judgeAccess, judgeApiServer, judgeCrd } from "./check.ts";
import {
  type CertificateFacts,
  judgeCertificate,
  judgeIdentity,
  judgeProgram,
  judgeVersions,
  judgeWebhook,
} from "./check-programs.ts";

const test = suite("check");
const said = ({ state, message }: CheckFinding) => `${state} ${message}`;

test("an API server that does not answer is wrong, an old one is to mind", () => {
  assert.is(said(judgeApiServer("https://a", { major: "1", minor: "37+" })), "ok Kubernetes 1.37+");
  assert.match(said(judgeApiServer("https://a", { major: "1", minor: "27" })), /^warning .*ordinary containers/);
  assert.is(said(judgeApiServer("https://a", "no connection")), "failed no connection");
});

const field = (...names: readonly string[]): object => ({
  properties: Object.fromEntries(names.map((name) => [name, { "x-kubernetes-preserve-unknown-fields": true }])),
});

test("a definition that is missing, not served, or lacks fields or status is wrong", () => {
  const version = (more: object = {}) => ({
    versions: [{
      name: "v1alpha1",
      served: true,
      subresources: { status: {} },
      schema: { openAPIV3Schema: field("spec", "status") },
      ...more,
    }],
  });
  assert.is(said(judgeCrd("StoryRun", version())), "ok ");
  assert.is(said(judgeCrd("StoryRun", null)), "failed is not defined");
  assert.is(said(judgeCrd("StoryRun", version({ served: false }))), "failed version v1alpha1 is not served");
  assert.is(said(judgeCrd("StoryRun", version({ subresources: {} }))), "failed lacks the sub-resource status");
  const spec = { properties: { spec: field("storyRef", "cancelRequested"), status: field("phase") } };
  const lacking = version({ schema: { openAPIV3Schema: spec } });
  assert.is(said(judgeCrd("StoryRun", lacking)), "failed lacks status.conditions");
});

test("each verb that is denied is named with what it is for, none at all as one", () => {
  const grant = { group: "apps", resource: "statefulsets/scale", names: ["hub"] };
  const fact = (verb: string, allowed: boolean | null) => ({ grant, verb, purpose: "scaling", allowed });
  assert.equal(judgeAccess("x", [fact("get", true), fact("patch", false)]).map(said), [
    "failed may not patch statefulsets/scale.apps hub: scaling",
  ]);
  assert.equal(judgeAccess("x", [fact("get", true)]).map(said), ["ok all 1 verbs"]);
  assert.equal(judgeAccess("x", [fact("get", false)]).map(said), ["failed may do none of 1 verbs: it has no roles"]);
  assert.is(judgeAccess("x", [fact("get", null)])[0]?.state, "unknown");
});

const nowMs = Date.parse("2026-06-01T00:00:00Z");
const day = 86_400_000;
const good = {
  notBeforeMs: nowMs - day,
  notAfterMs: nowMs + 90 * day,
  names: ["hub.sys.svc", "*.pods.sys.svc"],
  isOfItsCa: true,
  isOfItsKey: true,
};

test("what can be wrong with a certificate is told apart", () => {
  const judge = (
    more: Partial<CertificateFacts["certificate"] & object>,
    names = ["hub.sys.svc", "hub-0.pods.sys.svc"],
  ) => said(judgeCertificate("s", { certificate: { ...good, ...more } }, names, nowMs));
  assert.is(judge({}), "ok until 2026-08-30");
  assert.is(judge({ notAfterMs: nowMs + day }), "warning expires on 2026-06-02");
  assert.is(judge({ notAfterMs: nowMs - 1 }), "failed expired on 2026-05-31");
  assert.is(judge({ notBeforeMs: nowMs + day }), "failed is not valid before 2026-06-02");
  assert.is(judge({ isOfItsCa: false }), "failed ca.crt did not sign tls.crt");
  assert.is(judge({ isOfItsKey: false }), "failed tls.key is the key of another certificate");
  assert.is(judge({}, ["a.b.pods.sys.svc", "hub.sys.svc"]), "failed does not bear a.b.pods.sys.svc");
  assert.is(said(judgeCertificate("s", null, [], nowMs)), "failed the Secret does not exist");
  assert.is(said(judgeCertificate("s", { certificate: null }, [], nowMs)), "failed tls.crt is no certificate");
});

test("a webhook that is not there, not trusted or not served is wrong", () => {
  const service = { namespace: "sys", name: "hook" };
  const facts = { caBundle: "x", service, fits: true, readyEndpoints: 1 };
  assert.equal(judgeWebhook("w", facts).map(said), ["ok "]);
  assert.match(judgeWebhook("w", null).map(said)[0]!, "failed there is no such configuration");
  assert.match(judgeWebhook("w", { ...facts, caBundle: "" }).map(said)[0]!, "caBundle is empty");
  const both = judgeWebhook("w", { ...facts, fits: false, readyEndpoints: 0 }).map(said);
  assert.match(both[0]!, "did not sign");
  assert.match(both[1]!, "no pod is ready behind Service sys/hook");
});

test("programs that are missing, down or partly up, and versions that differ", () => {
  const facts = { wanted: 2, ready: 2, image: "x:1.2.3" };
  assert.is(said(judgeProgram("hub", facts, false)), "ok 2 of 2 ready");
  assert.is(said(judgeProgram("hub", { ...facts, ready: 1 }, false)), "warning 1 of 2 ready");
  assert.is(said(judgeProgram("hub", { ...facts, ready: 0 }, false)), "failed 0 of 2 ready");
  assert.is(judgeProgram("hub", { ...facts, wanted: 0, ready: 0 }, true).state, "ok");
  assert.is(judgeProgram("hub", { ...facts, wanted: 0, ready: 0 }, false).state, "failed");
  assert.is(judgeProgram("hub", null, true).state, "failed");
  assert.is(judgeVersions("1.2.9", { a: "r/x:1.2.3", b: "r/y:v1.2.3@sha256:0" }).state, "ok");
  assert.match(said(judgeVersions("1.2.3", { a: "x:1.2.3", b: "x:1.3.0" })), "warning differ: a 1.2.3, b 1.3.0");
  assert.match(said(judgeVersions("2.0.0", { a: "x:1.2.3" })), "warning 1.2.3, and this bobravoz is 2.0.0");
});

test("who would be refused under enforce is named, and who is", () => {
  const engram = (proves: readonly string[] | null) => ({ namespace: "demo", engram: "a", secret: "s", proves });
  assert.equal(judgeIdentity("observe", [engram(["demo"])]).map(({ state }) => state), ["ok"]);
  const other = judgeIdentity("observe", [engram(["other"])]).map(said);
  assert.equal(other, ["warning would be refused under enforce: the certificate of Secret s proves other"]);
  assert.equal(judgeIdentity("enforce", [engram(null)]).map(said), [
    "failed is refused: Secret s holds no certificate",
  ]);
});

test.run();
