// D-018 and certificates that change while the hub runs.

import * as http2 from "node:http2";
import type { SecureVersion } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { within } from "../support/deadline.ts";
import { delivery, plan } from "../support/fake-plans.ts";
import { serveHub } from "../support/serve-hub.ts";
import { createAuthority } from "../support/tls.ts";

const tls = suite("TLS of the gRPC port");

interface Client {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly maxVersion?: SecureVersion;
}

/** `answered`, or `refused` where the connection fails before a response. */
async function knock(url: string, client: Client): Promise<"answered" | "refused"> {
  const session = http2.connect(url, client);
  const outcome = new Promise<"answered" | "refused">((resolve) => {
    for (const event of ["error", "close"]) session.on(event, () => resolve("refused"));
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => resolve("refused"));
    stream.on("response", () => resolve("answered"));
    stream.end();
  });
  try {
    return await within(5_000, "an answer or a refusal", outcome);
  } finally {
    session.close();
  }
}

tls("D-018: only TLS 1.3 with a client certificate of the right authority is let in", async () => {
  const [ours, others] = [createAuthority("ours"), createAuthority("others")];
  await using hub = await serveHub(plan(["a>b"], delivery(10)), { tls: ours.issue("hub") });
  const client = ours.issue("client");
  assert.is(await knock(hub.url, client), "answered");
  assert.is(await knock(hub.url, { ...client, maxVersion: "TLSv1.2" }), "refused");
  assert.is(await knock(hub.url, { ca: ours.ca }), "refused");
  assert.is(await knock(hub.url, { ...others.issue("client"), ca: ours.ca }), "refused");
  assert.is(await knock(hub.url, { ...client, ca: others.ca }), "refused");
  assert.is(await knock(hub.url.replace("https", "http"), client), "refused");
  assert.is(await knock(hub.url, client), "answered");
});

tls("new certificates serve the connections that come after them", async () => {
  const [before, after] = [createAuthority("before"), createAuthority("after")];
  await using hub = await serveHub(plan(["a>b"], delivery(10)), { tls: before.issue("hub") });
  assert.is(await knock(hub.url, before.issue("client")), "answered");
  hub.served.server.renew(after.issue("hub"));
  assert.is(await knock(hub.url, before.issue("client")), "refused");
  assert.is(await knock(hub.url, after.issue("client")), "answered");
});

tls.run();
