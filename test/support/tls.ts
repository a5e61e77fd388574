/**
 * Certificates for tests, made anew in each process: an authority, and what it signs for the loopback address.
 * X.509 is written by hand, since no runtime has an API that signs certificates and no program has to be installed.
 *
 * ```
 *   Certificate ─┬─ tbs ── version, serial, algorithm, issuer, validity, subject, public key, extensions
 *                ├─ algorithm
 *                └─ signature of tbs
 * ```
 */
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";

export interface Authority {
  /** PEM of its own certificate. */
  readonly ca: string;
  /**
   * A key and a certificate for 127.0.0.1, localhost and `more` names, IPv4 addresses or URIs, for servers and clients;
   * `isExpired`: it has ended an hour ago.
   */
  issue(name: string, more?: readonly string[], isExpired?: boolean): TlsFiles;
}

/** An authority that nobody else knows. */
export function createAuthority(name: string): Authority {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const own = { subject: name, issuer: name, publicKey, signer: privateKey, serial: 1, isAuthority: true, names: [] };
  const ca = certificate(own);
  let serial = 1;
  return {
    ca,
    issue(subject, more = [], isExpired = false) {
      const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
      return {
        ca,
        key: own.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        cert: certificate({
          subject,
          issuer: name,
          publicKey: own.publicKey,
          signer: privateKey,
          serial: ++serial,
          isAuthority: false,
          names: ["localhost", "127.0.0.1", ...more],
          isExpired,
        }),
      };
    },
  };
}

interface Description {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly serial: number;
  readonly isAuthority: boolean;
  readonly names: readonly string[];
  readonly isExpired?: boolean;
}

const day = 86_400_000;
const hour = 3_600_000;

function certificate(of: Description): string {
  const algorithm = sequence(oid(1, 2, 840, 10045, 4, 3, 2)); // ecdsa-with-SHA256
  const tbs = sequence(
    tagged(0xa0, integer(2)),
    integer(of.serial),
    algorithm,
    distinguishedName(of.issuer),
    sequence(time(Date.now() - day), time(Date.now() + (of.isExpired ? -hour : day))),
    distinguishedName(of.subject),
    of.publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions(of))),
  );
  const signature = sign("sha256", tbs, { key: of.signer, dsaEncoding: "der" });
  const der = sequence(tbs, algorithm, tagged(0x03, Buffer.of(0), signature));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function extensions({ isAuthority, names }: Description): Buffer[] {
  const yes = tagged(0x01, Buffer.of(0xff));
  const extension = (id: Buffer, value: Buffer, isCritical: boolean) =>
    sequence(id, ...isCritical ? [yes] : [], tagged(0x04, value));
  if (isAuthority) {
    return [
      extension(oid(2, 5, 29, 19), sequence(yes), true), // basicConstraints: an authority
      extension(oid(2, 5, 29, 15), tagged(0x03, Buffer.of(2, 0x04)), true), // keyUsage: keyCertSign
    ];
  }
  const alternatives = names.map((name) => {
    if (isIPv4(name)) return tagged(0x87, Buffer.from(name.split(".").map(Number)));
    return tagged(name.includes("://") ? 0x86 : 0x82, Buffer.from(name));
  });
  return [
    extension(oid(2, 5, 29, 19), sequence(), true),
    extension(oid(2, 5, 29, 17), sequence(...alternatives), false), // subjectAltName
    extension(oid(2, 5, 29, 37), sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1), oid(1, 3, 6, 1, 5, 5, 7, 3, 2)), false),
  ];
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid(2, 5, 4, 3), tagged(0x0c, Buffer.from(commonName)))));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, ""); // YYYYMMDDHHMMSSZ
  return tagged(0x17, Buffer.from(digits.slice(2)));
}

function integer(value: number): Buffer {
  return tagged(0x02, Buffer.of(value)); // below 128
}

function oid(first: number, second: number, ...rest: number[]): Buffer {
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let more = part >>> 7; more > 0; more >>>= 7) digits.unshift(more & 0x7f | 0x80);
    bytes.push(...digits);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function tagged(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}
