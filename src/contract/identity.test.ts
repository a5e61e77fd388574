import { suite } from "uvu";
import * as assert from "uvu/assert";
import { namespaceOfDnsName, namespaceOfSpiffeId, provenNamespaces } from "./certificate-names.ts";
import { serviceAccountName } from "./compose.ts";
import { type Claim, judge, podProof, type Proof, type TokenProof } from "./identity.ts";

const test = suite("identity");

const pod = { name: "vad-0", step: "vad", storyRun: "voice-7", storyRunLabel: "voice-7" };
const right: TokenProof = { namespace: "demo", serviceAccount: "voice-7-engram-runner", pod };
const tokens: Readonly<Record<string, Proof["token"]>> = {
  none: null,
  refused: "refused",
  right,
  otherNamespace: { ...right, namespace: "other" },
  otherRun: {
    ...right,
    serviceAccount: "voice-8-engram-runner",
    pod: { ...pod, storyRun: "voice-8", storyRunLabel: "voice-8" },
  },
  otherStep: { ...right, pod: { ...pod, step: "writer" } },
  otherAccount: { ...right, serviceAccount: "default" },
  noPod: { ...right, pod: null },
  podOfOtherRun: { ...right, pod: { ...pod, storyRun: "voice-8" } },
  podWithoutStep: { ...right, pod: { ...pod, step: "" } },
};
const certificates: Readonly<Record<string, readonly string[]>> = {
  right: ["demo"],
  both: ["other", "demo"],
  other: ["other"],
  none: [],
};
const claim = (action: Claim["action"]): Claim => ({ action, namespace: "demo", storyRun: "voice-7", step: "vad" });

/** Which pairs of certificate and token are accepted, `certificate/token`. */
function accepted(action: Claim["action"]): readonly string[] {
  return Object.entries(certificates).flatMap(([certificate, namespaces]) =>
    Object.entries(tokens)
      .filter(([, token]) => judge({ namespaces, token }, claim(action), "enforce").accepted)
      .map(([token]) => `${certificate}/${token}`)
  );
}

test("a stream needs a certificate of its namespace, and where a token comes along one of its run and step", () => {
  assert.equal(accepted("stream"), ["right/none", "right/right", "both/none", "both/right"]);
});

test("reading needs a certificate or any valid token of the namespace", () => {
  const ofDemo = ["right", "otherRun", "otherStep", "otherAccount", "noPod", "podOfOtherRun", "podWithoutStep"];
  const byName = ["none", "right", "otherNamespace", ...ofDemo.slice(1)];
  assert.equal(accepted("read"), [
    ...byName.map((token) => `right/${token}`),
    ...byName.map((token) => `both/${token}`),
    ...ofDemo.map((token) => `other/${token}`),
    ...ofDemo.map((token) => `none/${token}`),
  ]);
});

test("a report needs the token of the pod of its run and step, whatever the certificate", () => {
  assert.equal(accepted("report"), ["right/right", "both/right", "other/right", "none/right"]);
});

test("nothing proves all namespaces", () => {
  const all: Claim = { action: "read", namespace: "", storyRun: "", step: "" };
  for (const namespaces of Object.values(certificates)) {
    for (const token of Object.values(tokens)) assert.not(judge({ namespaces, token }, all, "enforce").accepted);
  }
});

test("observe and off accept everything, and the verdict still says what is not proven", () => {
  for (const mode of ["observe", "off"] as const) {
    const verdict = judge({ namespaces: [], token: "refused" }, claim("stream"), mode);
    assert.equal([verdict.accepted, verdict.proven, verdict.reason], [true, false, "RefusedToken"]);
  }
});

test("each refusal has a reason of its own, and its text names what was met", () => {
  const met = Object.entries(tokens).map(([, token]) =>
    judge({ namespaces: ["demo"], token }, claim("stream"), "enforce")
  );
  assert.equal(met.map(({ reason }) => reason), [
    ...["NamespaceOnly", "RefusedToken", "Proven", "OtherNamespace", "OtherRun"],
    ...["OtherStep", "OtherServiceAccount", "NoPod", "OtherRun", "NoPod"],
  ]);
  assert.match(met[5]!.text, 'pod demo/vad-0 is of step "writer", not "vad"');
  assert.match(judge({ namespaces: ["other"], token: null }, claim("stream"), "enforce").text, '"other", not "demo"');
});

test("N-09 a run whose ServiceAccount is shortened is proven by it, and its pod tells apart who shares it", () => {
  const storyRun = "live-assistant-20260422t222729z-9f8e7d6c5b4a32100123456789";
  const serviceAccount = serviceAccountName(storyRun);
  assert.ok(serviceAccount.length === 63 && !serviceAccount.startsWith(storyRun));
  const token = { ...right, serviceAccount, pod: { ...pod, storyRun } };
  assert.is(judge({ namespaces: ["demo"], token }, { ...claim("stream"), storyRun }, "enforce").reason, "Proven");
  const shared = { ...right, serviceAccount: "run-1-engram-runner", pod: { ...pod, storyRun: "run-1" } };
  const of = (run: string) =>
    judge({ namespaces: ["demo"], token: shared }, { ...claim("stream"), storyRun: run }, "enforce").reason;
  assert.equal([of("run-1"), of("Run_1")], ["Proven", "OtherRun"]);
});

test("a pod proves by its annotations, and by its labels where those are missing", () => {
  const labels = { "bubustack.io/step": "vad", "bubustack.io/storyrun": "voice-7" };
  assert.equal(podProof("p", { labels }), { name: "p", step: "vad", storyRun: "", storyRunLabel: "voice-7" });
  const annotations = { "bubustack.io/step": "writer", "bubustack.io/storyrun": "voice-8" };
  const both = podProof("p", { labels, annotations });
  assert.equal([both.step, both.storyRun], ["writer", "voice-8"]);
  assert.is(podProof("p", { labels: ["x"] }).step, "");
  const byLabel = { ...right, pod: podProof("p", { labels }) };
  assert.ok(judge({ namespaces: ["demo"], token: byLabel }, claim("stream"), "enforce").proven);
  assert.not(
    judge({ namespaces: ["demo"], token: byLabel }, { ...claim("stream"), storyRun: "voice-8" }, "enforce").proven,
  );
});

test("a DNS name proves the namespace before its svc, and a doubtful one proves none", () => {
  const proven: Readonly<Record<string, string | null>> = {
    "vad.demo.svc": "demo",
    "vad.demo.svc.cluster.local": "demo",
    "VAD.Demo.svc.cluster.local.": "demo",
    "*.demo.svc": "demo",
    "*.demo.svc.example.org": "demo",
    "pod-0.vad.demo.svc.cluster.local": "demo",
    "svc.demo.svc.cluster.local": "demo",
    "demo.svc": null,
    "demo.svc.cluster.local": null,
    "*.svc.cluster.local": null,
    "vad.*.svc.cluster.local": null,
    "a.demo.svc.b.other.svc.cluster.local": null,
    "a.b.c.demo.svc": null,
    "vad.demo.svcx": null,
    "vad..svc": null,
    "vad.demo .svc": null,
    "localhost": null,
    "": null,
  };
  const found = Object.fromEntries(Object.keys(proven).map((name) => [name, namespaceOfDnsName(name)]));
  assert.equal(found, proven);
});

test("a SPIFFE id proves the namespace behind its trust domain alone", () => {
  const proven: Readonly<Record<string, string | null>> = {
    "spiffe://cluster.local/ns/demo/sa/voice-7-engram-runner": "demo",
    "SPIFFE://td.example/ns/demo/x": "demo",
    "spiffe://td/ns/demo": null,
    "spiffe://td/x/ns/demo/sa/y": null,
    "spiffe:///ns/demo/sa/x": null,
    "spiffe://td/ns/d%65mo/sa/x": null,
    "spiffe://td/ns/demo/sa/x?ns=other": null,
    "https://td/ns/demo/sa/x": null,
    "spiffe://user@td/ns/demo/sa/x": null,
  };
  assert.equal(Object.fromEntries(Object.keys(proven).map((id) => [id, namespaceOfSpiffeId(id)])), proven);
});

test("several names of one namespace prove it once", () => {
  assert.equal(
    provenNamespaces([
      { type: "dns", value: "a.demo.svc" },
      { type: "dns", value: "localhost" },
      { type: "uri", value: "spiffe://td/ns/other/sa/x" },
      { type: "dns", value: "b.demo.svc.cluster.local" },
    ]),
    ["demo", "other"],
  );
});

test.run();
