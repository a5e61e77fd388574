/** Where a hub listens, and with which certificates: flags and variables, checked before anything is opened. */
import { readFile } from "node:fs/promises";
import type { TlsFiles } from "../adapters/grpc/options.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import { isLoopback } from "../contract/loopback.ts";
import type { Address } from "./node.ts";

/** Parses `host:port`, `[ipv6]:port`, `:port` (loopback) or `port`. Throws `Usage` naming `flag`. */
export function parseAddress(flag: string, text: string): Address {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:\s]*)):)?([0-9]{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new TransportError("Usage", `${flag} takes host:port, not ${JSON.stringify(text)}`);
  }
  return { host: match[1] || match[2] || "127.0.0.1", port };
}

/**
 * Certificates of the hub (data-plane 2.1): the files that the variables name. Null where none is named and `host` is
 * loopback; elsewhere those of a mounted Secret are read, and a hub without certificates is refused, since it would be open to all (DECISIONS W-01, W-06).
 */
export async function readTls(
  env: Readonly<Record<string, string | undefined>>,
  host: string,
): Promise<TlsFiles | null> {
  const mode = env["BUBU_TRANSPORT_SECURITY_MODE"]?.trim().toLowerCase() ?? "";
  if (mode !== "" && mode !== "tls") {
    throw new TransportError("InvalidConfiguration", `BUBU_TRANSPORT_SECURITY_MODE is "${mode}": only tls is known`);
  }
  const variables = { cert: "BUBU_HUB_TLS_CERT_FILE", key: "BUBU_HUB_TLS_KEY_FILE", ca: "BUBU_HUB_CA_FILE" };
  const named = Object.values(variables).filter((variable) => env[variable]?.trim());
  if (named.length === 0) {
    if (isLoopback(host)) return null;
    const mounted = await readMounted();
    if (mounted !== null) return mounted;
    const text = `${host} is not loopback: set ${Object.values(variables).join(", ")}, or listen on 127.0.0.1`;
    throw new TransportError("InvalidConfiguration", text);
  }
  const faults: string[] = [];
  const read = async (variable: string): Promise<string> => {
    const path = env[variable]?.trim();
    if (!path) faults.push(`${variable} is not set, but ${named.join(", ")} is`);
    else {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        faults.push(
          `${variable}: ${path} cannot be read: ${
            isTransportError(error) || error instanceof Error ? error.message : error
          }`,
        );
      }
    }
    return "";
  };
  const tls = { cert: await read(variables.cert), key: await read(variables.key), ca: await read(variables.ca) };
  if (faults.length > 0) throw new TransportError("InvalidConfiguration", faults.join("; "));
  return tls;
}

/** Where manifests mount the hub's Secret (data-plane 2.1). */
const mountedAt = "/var/run/hub-tls";

/** Certificates of the mounted Secret; null where one of the files is not there. */
async function readMounted(): Promise<TlsFiles | null> {
  const read = (name: string) => readFile(`${mountedAt}/${name}`, "utf8");
  try {
    return { cert: await read("tls.crt"), key: await read("tls.key"), ca: await read("ca.crt") };
  } catch {
    return null; // the caller says what is missing
  }
}
