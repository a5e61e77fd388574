/** The ServiceAccount token of this pod, which proves to hub and discovery which run and step it is (DECISIONS W-01). */
import { readFileSync } from "node:fs";

/** Where the kubelet projects it. */
export const projectedToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * Reads the file anew at each call, since the kubelet replaces it long before it ends; null where there is none. The
 * file is small and in memory, and is read once for a stream or call, not for a packet.
 */
export function tokenFrom(path: string): () => string | null {
  return () => {
    try {
      return readFileSync(path, "utf8").trim() || null;
    } catch {
      return null; // outside of a pod; the other side says where it needs one
    }
  };
}
