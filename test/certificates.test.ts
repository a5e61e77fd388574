import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { connect, createServer } from "node:tls";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JsonObject } from "../src/contract/resources.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { FakeClock } from "./support/fake-clock.ts";
import { keepCertificates, type Requests } from "../src/adapters/certificates/keeper.ts";
import { authorityFor, decodeData, encodeData, renewalOf } from "../src/adapters/certificates/plan.ts";
import { issue, makeAuthority } from "../src/adapters/certificates/x509.ts";

const it = suite("certificates");
const dayMs = 86_400_000;
const hub = { secret: "hub-tls", dnsNames: ["hub.demo.svc", "*.hub-pods.demo.svc.cluster.local"] };

it("a certificate is for its names, and verified by its authority alone", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const authority = makeAuthority({ name: "ca", nowMs, lifeMs: 9_000 * dayMs });
  const own = new X509Certificate(authority.cert);
  assert.ok(own.ca);
  assert.is(new Date(own.validTo).getUTCFullYear(), 2050);
  const other = new X509Certificate(makeAuthority({ name: "ca", nowMs, lifeMs: dayMs }).cert);
  const made = new X509Certificate(
    issue(authority, { name: "hub", nowMs, lifeMs: dayMs, dnsNames: hub.dnsNames }).cert,
  );
  assert.ok(made.verify(own.publicKey));
  assert.ok(made.checkIssued(own));
  assert.not(made.verify(other.publicKey));
  assert.not(made.ca);
  assert.is(made.subjectAltName, "DNS:hub.demo.svc, DNS:*.hub-pods.demo.svc.cluster.local");
});

it("both ends of a TLS 1.3 connection accept each other by it, and a pod by the name of all", async () => {
  const nowMs = Date.now();
  const authority = makeAuthority({ name: "ca", nowMs, lifeMs: dayMs });
  const pair = issue(authority, { name: "hub", nowMs, lifeMs: dayMs, dnsNames: hub.dnsNames });
  const files = { ...pair, ca: authority.cert, minVersion: "TLSv1.3" } as const;
  const server = createServer({ ...files, requestCert: true, rejectUnauthorized: true }, (socket) => socket.end("ok"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo; // it listens on TCP
    const socket = connect({ ...files, host: "127.0.0.1", port, servername: "hub-7.hub-pods.demo.svc.cluster.local" });
    const text = await new Promise<string>((resolve, reject) => {
      socket.on("data", (data) => resolve(data.toString()));
      socket.on("error", reject);
    });
    assert.is(text, "ok");
    socket.destroy();
  } finally {
    server.close();
  }
});

it("an authority serves until two thirds of its life, and stays trusted beside the next", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const first = authorityFor({}, nowMs);
  assert.ok(first.changed);
  assert.not(authorityFor(first.files, nowMs + 2_400 * dayMs).changed);
  const second = authorityFor(first.files, nowMs + 2_500 * dayMs);
  assert.ok(second.changed);
  assert.is(second.files["ca.crt"], `${second.files["tls.crt"]}${first.files["tls.crt"]}`);
  // when the first has ended it is forgotten
  const third = authorityFor(second.files, nowMs + 5_000 * dayMs);
  assert.is(third.files["ca.crt"], `${third.files["tls.crt"]}${second.files["tls.crt"]}`);
});

it("a certificate is made anew when it is old, spoilt, of other names or of another authority, and else left", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const { files: authority } = authorityFor({}, nowMs);
  const made = renewalOf({}, hub, authority, nowMs);
  assert.ok(made !== null);
  assert.is(renewalOf(made, hub, authority, nowMs + 59 * dayMs), null);
  assert.ok(renewalOf(made, hub, authority, nowMs + 61 * dayMs) !== null);
  assert.ok(renewalOf({ ...made, "tls.crt": "spoilt" }, hub, authority, nowMs) !== null);
  assert.ok(renewalOf({ ...made, "tls.key": "" }, hub, authority, nowMs) !== null);
  assert.ok(renewalOf(made, { ...hub, dnsNames: ["hub.demo.svc"] }, authority, nowMs) !== null);
  assert.ok(renewalOf(made, hub, authorityFor({}, nowMs).files, nowMs) !== null);
});

/** Secrets and a registration in memory, as the API server keeps them. */
class FakeApi implements Requests {
  readonly secrets = new Map<string, { data: Readonly<Record<string, string>>; version: number }>();
  caBundle: string | undefined;
  readonly writes: string[] = [];

  request(method: string, path: string, { body }: { readonly body?: unknown }): Promise<JsonObject> {
    const name = path.split("/").at(-1)!; // a path has parts
    if (method === "PATCH") this.writes.push(name);
    if (path.includes("mutatingwebhook")) {
      if (method === "PATCH") this.caBundle = (body as readonly { readonly value: string }[])[0]?.value;
      const clientConfig: JsonObject = this.caBundle === undefined ? {} : { caBundle: this.caBundle };
      return Promise.resolve({ webhooks: [{ clientConfig }] });
    }
    const { data, version } = this.secrets.get(name) ?? { data: {}, version: 1 };
    if (method === "PATCH") {
      const patch = body as { metadata: { resourceVersion: string }; data: Record<string, string> };
      assert.is(patch.metadata.resourceVersion, String(version));
      this.secrets.set(name, { data: { ...data, ...patch.data }, version: version + 1 });
    }
    return Promise.resolve({ metadata: { resourceVersion: String(version) }, data });
  }
}

it("the keeper fills what is empty, then writes nothing until something ends or is taken away", async () => {
  const api = new FakeApi();
  const clock = new FakeClock();
  const options = {
    api,
    namespace: "demo",
    authority: "ca",
    certificates: [hub, { secret: "webhook-tls", dnsNames: ["webhook.demo.svc"] }],
    webhookConfiguration: "registration",
    clock,
    log: silentLog,
  };
  const { signal } = new AbortController();
  assert.is(await keepCertificates(options, signal), 4);
  assert.equal(api.writes, ["ca", "hub-tls", "webhook-tls", "registration"]);
  assert.is(Buffer.from(api.caBundle ?? "", "base64").toString(), decodeData(api.secrets.get("ca")?.data)["ca.crt"]);
  assert.is(await keepCertificates(options, signal), 0);
  api.caBundle = undefined;
  assert.is(await keepCertificates(options, signal), 1);
  api.secrets.set("hub-tls", { data: encodeData({ "tls.crt": "spoilt" }), version: 7 });
  assert.is(await keepCertificates(options, signal), 1);
  clock.step(61 * dayMs);
  assert.is(await keepCertificates(options, signal), 2);
});

it.run();
