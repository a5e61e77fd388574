/** A short name for content, equal wherever the content is. */
import { createHash } from "node:crypto";

/** The first 132 bits of the SHA-256 of `bytes` in base64url: 22 characters. */
export function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
}
