/** Who a ServiceAccount token is, by the API server: TokenReview, then the pod that the token is bound to. */
import { type PodProof, podProof } from "../../../contract/identity.ts";
import type { JsonObject, JsonValue } from "../../../contract/resources.ts";
import type { TokenReviewer } from "../../identity/token-review.ts";
import type { KubeApi } from "./api.ts";
import { isKubeFault } from "./fault.ts";

export interface TokenReviewerOptions {
  readonly api: Pick<KubeApi, "request">;
  /** Audiences, one of which the token must be for. Default: the API server's own, as pods have them unasked. */
  readonly audiences?: readonly string[];
}

const podName = "authentication.kubernetes.io/pod-name";
const podUid = "authentication.kubernetes.io/pod-uid";

/**
 * Asks the API server; needs `create` on tokenreviews and `get` on pods. What is no ServiceAccount's, of another
 * audience, or bound to a pod that is gone or was replaced, is refused. Remembers nothing.
 */
export function tokenReviewer({ api, audiences = [] }: TokenReviewerOptions): TokenReviewer {
  return {
    async review(token, signal) {
      const spec = { token, ...(audiences.length === 0 ? {} : { audiences: [...audiences] }) };
      const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec };
      const answer = await api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", { body, signal });
      const status = objectAt(answer, "status");
      const user = objectAt(status, "user");
      const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(textOf(user["username"]));
      if (status["authenticated"] !== true || account === null) return "refused";
      // a server that does not know audiences accepts the token and names none (TokenReview, status.audiences)
      if (audiences.length > 0 && !listOf(status["audiences"]).some((each) => audiences.includes(each))) {
        return "refused";
      }
      const namespace = account[1]!;
      const extra = objectAt(user, "extra");
      const name = listOf(extra[podName])[0];
      if (name === undefined) return { namespace, serviceAccount: account[2]!, pod: null };
      const pod = await readPod(namespace, name, listOf(extra[podUid])[0], signal);
      return pod === null ? "refused" : { namespace, serviceAccount: account[2]!, pod };
    },
  };

  /** Null where the pod is gone, or another one bears its name. */
  async function readPod(
    namespace: string,
    name: string,
    uid: string | undefined,
    signal: AbortSignal,
  ): Promise<PodProof | null> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    try {
      const metadata = objectAt(await api.request("GET", path, { signal }), "metadata");
      return metadata["uid"] === uid ? podProof(name, metadata) : null;
    } catch (error) {
      if (isKubeFault(error, 404)) return null;
      throw error;
    }
  }
}

function objectAt(of: JsonObject, name: string): JsonObject {
  const value = of[name];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : {}; // no list
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function listOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
