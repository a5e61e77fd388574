/**
 * Certificates made here, since no runtime has an API that signs them and an image needs no program for it.
 * ECDSA on P-256 with SHA-256 throughout (RFC 5280).
 *
 * ```
 *   Certificate ─┬─ tbs ── version, serial, algorithm, issuer, validity, subject, public key, extensions
 *                ├─ algorithm
 *                └─ signature of tbs
 * ```
 */
import { Buffer } from "node:buffer";
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { X509Certificate } from "node:crypto";

/** A certificate and its private key, as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  readonly name: string;
  readonly nowMs: number;
  readonly lifeMs: number;
}

/** Before that clocks of other machines may be late. */
const earlierMs = 300_000;

/** An authority that signs others and itself. */
export function makeAuthority(options: CertificateOptions): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = { name: options.name, key: privateKey, keyId: keyIdOf(publicKey) };
  return { cert: certificate(options, publicKey, issuer, []), key: pemOf(privateKey) };
}

/** A certificate for servers and clients that bears `dnsNames`, signed by `authority`. */
export function issue(
  authority: KeyPair,
  options: CertificateOptions & { readonly dnsNames: readonly string[] },
): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const own = new X509Certificate(authority.cert);
  const issuer = {
    name: /^CN=(.*)$/m.exec(own.subject)?.[1] ?? "",
    key: createPrivateKey(authority.key),
    keyId: keyIdOf(own.publicKey),
  };
  return { cert: certificate(options, publicKey, issuer, options.dnsNames), key: pemOf(privateKey) };
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
  readonly keyId: Buffer;
}

function certificate(
  { name, nowMs, lifeMs }: CertificateOptions,
  publicKey: KeyObject,
  issuer: Issuer,
  dnsNames: readonly string[],
): string {
  const algorithm = sequence(oid(1, 2, 840, 10045, 4, 3, 2)); // ecdsa-with-SHA256
  const tbs = sequence(
    tagged(0xa0, tagged(0x02, Buffer.of(2))), // version 3
    tagged(0x02, serial()),
    algorithm,
    distinguishedName(issuer.name),
    sequence(time(nowMs - earlierMs), time(nowMs + lifeMs)),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions(publicKey, issuer, dnsNames))),
  );
  const signature = sign("sha256", tbs, { key: issuer.key, dsaEncoding: "der" });
  const der = sequence(tbs, algorithm, tagged(0x03, Buffer.of(0), signature));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function extensions(publicKey: KeyObject, issuer: Issuer, dnsNames: readonly string[]): Buffer[] {
  const extension = (id: readonly [number, number, ...number[]], value: Buffer, isCritical = false) =>
    sequence(oid(...id), ...isCritical ? [yes] : [], tagged(0x04, value));
  const keys = [
    extension([2, 5, 29, 14], tagged(0x04, keyIdOf(publicKey))), // subjectKeyIdentifier
    extension([2, 5, 29, 35], sequence(tagged(0x80, issuer.keyId))), // authorityKeyIdentifier
  ];
  if (dnsNames.length === 0) {
    return [
      ...keys,
      extension([2, 5, 29, 19], sequence(yes), true), // basicConstraints: an authority
      extension([2, 5, 29, 15], tagged(0x03, Buffer.of(1, 0x06)), true), // keyUsage: keyCertSign, cRLSign
    ];
  }
  const serverAndClient = [oid(1, 3, 6, 1, 5, 5, 7, 3, 1), oid(1, 3, 6, 1, 5, 5, 7, 3, 2)];
  return [
    ...keys,
    extension([2, 5, 29, 19], sequence(), true),
    extension([2, 5, 29, 15], tagged(0x03, Buffer.of(7, 0x80)), true), // keyUsage: digitalSignature
    extension([2, 5, 29, 37], sequence(...serverAndClient)),
    // subjectAltName
    extension([2, 5, 29, 17], sequence(...dnsNames.map((dnsName) => tagged(0x82, Buffer.from(dnsName))))),
  ];
}

const yes = tagged(0x01, Buffer.of(0xff));

/** SHA-1 of the bits of the key, as RFC 5280 4.2.1.2 (1) names keys; nothing's safety rests on it. */
function keyIdOf(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ type: "spki", format: "der" });
  // an uncompressed point of P-256 is 65 bytes, at the end
  return createHash("sha1").update(spki.subarray(spki.length - 65)).digest();
}

/** 16 random bytes that are a positive number. */
function serial(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = bytes[0]! & 0x7f | 0x40; // of sixteen
  return bytes;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid(2, 5, 4, 3), tagged(0x0c, Buffer.from(commonName)))));
}

/** UTCTime to 2049, GeneralizedTime from then on (RFC 5280 4.1.2.5). */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, ""); // YYYYMMDDHHMMSSZ
  return Number(digits.slice(0, 4)) < 2050
    ? tagged(0x17, Buffer.from(digits.slice(2)))
    : tagged(0x18, Buffer.from(digits));
}

function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let more = part >>> 7; more > 0; more >>>= 7) digits.unshift(more & 0x7f | 0x80);
    bytes.push(...digits);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}
