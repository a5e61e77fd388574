/**
 * Keeps the certificates of an installation without cert-manager: the Secrets of its programs and the authority that
 * the API server trusts for the webhook. Writes only what is missing, wrong or old, and only over what it has read.
 */
import type { JsonObject, JsonValue } from "../../contract/resources.ts";
import type { Clock, Log } from "../../contract/runtime.ts";
import { authorityFor, decodeData, encodeData, type Files, renewalOf, type Wanted } from "./plan.ts";

/** What it needs of an API server; failures are thrown. */
export interface Requests {
  request(
    method: string,
    path: string,
    options: { readonly body?: JsonValue; readonly type?: string; readonly signal: AbortSignal },
  ): Promise<JsonObject>;
}

export interface KeeperOptions {
  readonly api: Requests;
  readonly namespace: string;
  /** Secret of the authority. */
  readonly authority: string;
  readonly certificates: readonly Wanted[];
  /** Name of the MutatingWebhookConfiguration; null: none trusts this authority. */
  readonly webhookConfiguration: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks once and puts right what is not. Answers how many objects it wrote. */
export async function keepCertificates(options: KeeperOptions, signal: AbortSignal): Promise<number> {
  const { api, namespace, log } = options;
  const nowMs = options.clock.nowMs();
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  let written = 0;
  const read = async (name: string): Promise<{ readonly files: Files; readonly version: string }> => {
    const object = await api.request("GET", `${secrets}/${name}`, { signal });
    // of a Secret both have these types
    const data = object["data"] as Readonly<Record<string, string>> | undefined;
    const { resourceVersion } = object["metadata"] as { readonly resourceVersion: string };
    return { files: decodeData(data), version: resourceVersion };
  };
  const write = async (name: string, files: Files, version: string): Promise<void> => {
    await api.request("PATCH", `${secrets}/${name}`, {
      // refused with 409 where somebody else has written since
      body: { metadata: { resourceVersion: version }, data: encodeData(files) },
      type: "application/merge-patch+json",
      signal,
    });
    written++;
    log.info("certificate written", { secret: `${namespace}/${name}` });
  };

  const found = await read(options.authority);
  const authority = authorityFor(found.files, nowMs);
  if (authority.changed) await write(options.authority, authority.files, found.version);
  for (const wanted of options.certificates) {
    const { files, version } = await read(wanted.secret);
    const renewed = renewalOf(files, wanted, authority.files, nowMs);
    if (renewed !== null) await write(wanted.secret, renewed, version);
  }
  if (options.webhookConfiguration !== null) {
    written += await trust(api, options.webhookConfiguration, authority.files["ca.crt"] ?? "", signal);
  }
  return written;
}

/** Puts the authority where the API server looks for it when it calls the webhook. */
async function trust(api: Requests, name: string, bundle: string, signal: AbortSignal): Promise<number> {
  const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${name}`;
  const object = await api.request("GET", path, { signal });
  const { "ca.crt": caBundle = "" } = encodeData({ "ca.crt": bundle });
  const webhooks = object["webhooks"] as readonly { readonly clientConfig: JsonObject }[]; // as the API has them
  const edits = webhooks.flatMap(({ clientConfig }, index) =>
    clientConfig["caBundle"] === caBundle
      ? []
      : [{ op: "add", path: `/webhooks/${index}/clientConfig/caBundle`, value: caBundle }]
  );
  if (edits.length === 0) return 0;
  await api.request("PATCH", path, { body: edits, type: "application/json-patch+json", signal });
  return 1;
}
