/** Secrets of engrams, signed by the authority of an installation, for whoever may write them. */
import { isTransportError, TransportError } from "../../contract/errors.ts";
import type { JsonObject } from "../../contract/resources.ts";
import type { KeeperOptions } from "./keeper.ts";
import { decodeData, encodeData, type Files, renewalOf, type Wanted } from "./plan.ts";

/** Nobody renews them but who asks again. */
const lifeMs = 365 * 86_400_000;

/** Creates each Secret, or renews it where it is old or not of this authority. Answers how many it wrote. */
export async function issueSecrets(
  { api, namespace, authority, clock, log }: KeeperOptions,
  wanted: readonly (Wanted & { readonly namespace: string })[],
  signal: AbortSignal,
): Promise<number> {
  const read = async (path: string): Promise<JsonObject | null> => {
    try {
      return await api.request("GET", path, { signal });
    } catch (error) {
      if (isTransportError(error, "NotFound")) return null;
      throw error;
    }
  };
  const files = (secret: JsonObject | null): Files =>
    decodeData(secret?.["data"] as Readonly<Record<string, string>> | undefined); // of a Secret it has this type
  const own = files(await read(`/api/v1/namespaces/${namespace}/secrets/${authority}`));
  if (!own["tls.key"]) {
    throw new TransportError("NotFound", `Secret ${namespace}/${authority} holds no authority yet`);
  }
  let written = 0;
  for (const each of wanted) {
    const collection = `/api/v1/namespaces/${each.namespace}/secrets`;
    const found = await read(`${collection}/${each.secret}`);
    const renewed = renewalOf(files(found), each, own, clock.nowMs(), lifeMs);
    if (renewed === null) continue;
    const data = encodeData(renewed);
    if (found === null) {
      const metadata = { name: each.secret, namespace: each.namespace };
      const body = { apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls", metadata, data };
      await api.request("POST", collection, { body, signal });
    } else {
      const type = "application/merge-patch+json";
      await api.request("PATCH", `${collection}/${each.secret}`, { body: { data }, type, signal });
    }
    written++;
    log.info("certificate written", { secret: `${each.namespace}/${each.secret}` });
  }
  return written;
}
