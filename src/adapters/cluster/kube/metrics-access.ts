/** Who may read metrics: TokenReview, then SubjectAccessReview on the path `/metrics`, remembered for a minute. */
import { createHash } from "node:crypto";
import type { JsonObject } from "../../../contract/resources.ts";
import type { Clock } from "../../../contract/runtime.ts";
import type { KubeApi } from "./api.ts";

const rememberedMs = 60_000;
/** Tokens that are remembered at once; the oldest goes first. */
const maxTokens = 100;

/** Asks the API server; needs `create` on tokenreviews and subjectaccessreviews. */
export function metricsAccess(api: Pick<KubeApi, "request">, clock: Clock) {
  const known = new Map<string, { readonly may: boolean; readonly untilMs: number }>();
  const ask = async (group: string, kind: string, spec: JsonObject, signal: AbortSignal): Promise<JsonObject> => {
    const body = { apiVersion: `${group}/v1`, kind, spec };
    const answer = await api.request("POST", `/apis/${group}/v1/${kind.toLowerCase()}s`, { body, signal });
    return (answer["status"] ?? {}) as JsonObject; // of a review it is an object
  };
  return async (token: string, signal: AbortSignal): Promise<boolean> => {
    const key = createHash("sha256").update(token).digest("base64");
    const nowMs = clock.monotonicMs();
    const before = known.get(key);
    if (before !== undefined && nowMs < before.untilMs) return before.may;
    known.delete(key);
    const { authenticated, user } = await ask("authentication.k8s.io", "TokenReview", { token }, signal);
    let may = false;
    if (authenticated === true) {
      const { username = "", groups = [], uid = "", extra = {} } = user as JsonObject; // of one who is authenticated
      const spec = { user: username, groups, uid, extra, nonResourceAttributes: { path: "/metrics", verb: "get" } };
      may = (await ask("authorization.k8s.io", "SubjectAccessReview", spec, signal))["allowed"] === true;
    }
    known.set(key, { may, untilMs: nowMs + rememberedMs });
    if (known.size > maxTokens) known.delete(known.keys().next().value!);
    return may;
  };
}
