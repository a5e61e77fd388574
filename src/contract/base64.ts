/** Base64 as ProtoJSON writes and reads it. */
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

/** Standard alphabet, with padding. */
export function writeBase64(bytes: Uint8Array): string {
  return base64Encode(bytes);
}

/**
 * Standard or URL alphabet, but not both in one text; padding absent or complete; line breaks ignored. Null for
 * anything else (control-plane E-04).
 */
export function readBase64(text: string): Uint8Array | null {
  const body = text.replace(/[\r\n]+/g, "");
  const url = /[-_]/.test(body);
  if (!(url ? /^[A-Za-z0-9_-]*={0,2}$/ : /^[A-Za-z0-9+/]*={0,2}$/).test(body)) return null;
  const digits = body.replace(/=+$/, "");
  const padding = body.length - digits.length;
  if (digits.length % 4 === 1 || (padding > 0 && body.length % 4 !== 0)) return null;
  return base64Decode(digits);
}
