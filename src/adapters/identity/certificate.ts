/**
 * What the client certificate of an HTTP/2 session proves. The names are read from the certificate's own bytes: the text
 * that runtimes make of them joins all with commas, and a name may hold one.
 *
 * ```
 *   Certificate ── tbs ── [3] extensions ── { 2.5.29.17, OCTET STRING { SEQUENCE { [2] DNS name, [6] URI, … } } }
 * ```
 */
import type { Http2Session } from "node:http2";
import { type CertificateName, provenNamespaces } from "../../contract/certificate-names.ts";

/** The part of a TLS socket that is asked. */
interface SecureSocket {
  readonly authorized?: boolean;
  getPeerCertificate?(detailed?: boolean): { readonly raw?: Uint8Array };
}

/** Where a caller's connection is looked up; every stream of a session has the same certificate. */
export type CallerSession = Pick<Http2Session, "socket">;

const known = new WeakMap<CallerSession, readonly string[]>();

/** Namespaces that the peer's certificate proves; none in cleartext, without a certificate, or where it is not trusted. */
export function namespacesOf(session: CallerSession | null): readonly string[] {
  if (session === null) return [];
  let namespaces = known.get(session);
  if (namespaces === undefined) {
    // of a TLS connection it is a TLSSocket, which no type says
    const socket = session.socket as unknown as SecureSocket | undefined;
    const raw = socket?.authorized === true ? socket.getPeerCertificate?.()?.raw : undefined;
    namespaces = raw === undefined ? [] : provenNamespaces(certificateNames(raw));
    known.set(session, namespaces);
  }
  return namespaces;
}

/** DNS names and URIs of the subjectAltName extension, in order; empty for bytes that are no certificate. */
export function certificateNames(der: Uint8Array): readonly CertificateName[] {
  const tbs = child(child(der, 0x30), 0x30);
  const extensions = child(elements(tbs).find(({ tag }) => tag === 0xa3)?.body, 0x30);
  for (const extension of elements(extensions)) {
    const [id, ...rest] = elements(extension.body);
    if (id?.tag !== 0x06 || !isSubjectAltName(id.body)) continue;
    const names = child(rest.find(({ tag }) => tag === 0x04)?.body, 0x30);
    return elements(names).flatMap(({ tag, body }): CertificateName[] => {
      if (tag !== 0x82 && tag !== 0x86) return [];
      // IA5String; what is above ASCII then fits no form
      return [{ type: tag === 0x82 ? "dns" : "uri", value: String.fromCharCode(...body) }];
    });
  }
  return [];
}

interface Element {
  readonly tag: number;
  readonly body: Uint8Array;
}

function isSubjectAltName(id: Uint8Array): boolean {
  return id.length === 3 && id[0] === 0x55 && id[1] === 0x1d && id[2] === 0x11; // 2.5.29.17
}

/** The content of the first element, where it has this tag. */
function child(of: Uint8Array | undefined, tag: number): Uint8Array {
  const first = elements(of, 1)[0];
  return first?.tag === tag ? first.body : new Uint8Array();
}

/** The elements that follow one another in `of`; ends at the first that is cut off. */
function elements(of: Uint8Array | undefined, limit = Infinity): Element[] {
  const found: Element[] = [];
  let at = 0;
  while (of !== undefined && at + 2 <= of.length && found.length < limit) {
    const tag = of[at]!;
    let length = of[at + 1]!;
    at += 2;
    if (length >= 0x80) {
      const digits = length & 0x7f;
      if (digits === 0 || digits > 3 || at + digits > of.length) break;
      length = 0;
      for (let n = 0; n < digits; n++) length = length << 8 | of[at++]!;
    }
    if (at + length > of.length) break;
    found.push({ tag, body: of.subarray(at, at + length) });
    at += length;
  }
  return found;
}
