import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createAuthority } from "../../../test/support/tls.ts";
import { certificateNames, namespacesOf } from "./certificate.ts";

const test = suite("names of a certificate");

const authority = createAuthority("ca");

function der(names: readonly string[]): Buffer {
  const { cert } = authority.issue("c", names);
  return Buffer.from(cert.replaceAll(/-----.*-----|\s/g, ""), "base64");
}

/** A session whose socket is asked; what it has beside does not matter. */
function session(raw: Uint8Array | undefined, authorized = true): Parameters<typeof namespacesOf>[0] {
  const socket = { authorized, getPeerCertificate: () => ({ raw }) };
  return { socket } as unknown as Parameters<typeof namespacesOf>[0];
}

test("DNS names and URIs are read in order, addresses are passed over", () => {
  const uri = "spiffe://cluster.local/ns/demo/sa/x";
  assert.equal(certificateNames(der(["a.demo.svc", uri, "10.0.0.1", "b.demo.svc"])), [
    { type: "dns", value: "localhost" },
    { type: "dns", value: "a.demo.svc" },
    { type: "uri", value: uri },
    { type: "dns", value: "b.demo.svc" },
  ]);
});

test("a name that holds a comma is one name, and proves nothing", () => {
  const names = certificateNames(der(["spiffe://td/x, DNS:a.demo.svc", "x, DNS:a.demo.svc"]));
  assert.equal(names.map(({ value }) => value), ["localhost", "spiffe://td/x, DNS:a.demo.svc", "x, DNS:a.demo.svc"]);
  assert.equal(namespacesOf(session(der(["x, DNS:a.demo.svc", "a.demo.svc\0.other.svc"]))), []);
});

test("many names need a length of several bytes, and are all read", () => {
  const names = Array.from({ length: 60 }, (_, n) => `step-${n}.demo.svc.cluster.local`);
  assert.is(certificateNames(der(names)).length, 61);
});

test("bytes that are cut off or changed never throw, and prove no namespace that was not there", () => {
  const whole = der(["a.demo.svc"]);
  for (let at = 0; at < whole.length; at++) {
    assert.ok(["", "demo"].includes(namespacesOf(session(whole.subarray(0, at))).join()));
    const changed = Buffer.from(whole);
    changed[at] = 0xff;
    certificateNames(changed);
  }
  assert.equal(certificateNames(new Uint8Array()), []);
});

test("a certificate that is not trusted proves nothing, nor does a connection without one", () => {
  const raw = der(["a.demo.svc"]);
  assert.equal(namespacesOf(session(raw)), ["demo"]);
  assert.equal(namespacesOf(session(raw, false)), []);
  assert.equal(namespacesOf(session(undefined)), []);
  assert.equal(namespacesOf(null), []);
});

test.run();
