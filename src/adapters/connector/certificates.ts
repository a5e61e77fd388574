/** Client certificates of a connector (data-plane 2.1), which its peers' listener uses as well. */
import { readFile } from "node:fs/promises";
import type { TlsFiles } from "../grpc/options.ts";

const variables = {
  cert: "BUBU_GRPC_CLIENT_CERT_FILE",
  key: "BUBU_GRPC_CLIENT_KEY_FILE",
  ca: "BUBU_GRPC_CA_FILE",
} as const;

/**
 * Reads all three files; null, without a fault, where none is named and `isOptional`: everything that is dialled is
 * loopback (DECISIONS W-06). Every fault is answered at once.
 */
export async function readCertificates(
  env: Readonly<Record<string, string | undefined>>,
  isOptional: boolean,
): Promise<{ readonly tls: TlsFiles | null; readonly faults: readonly string[] }> {
  if (isOptional && Object.values(variables).every((variable) => !env[variable]?.trim())) {
    return { tls: null, faults: [] };
  }
  const faults: string[] = [];
  const read = async (variable: string): Promise<string> => {
    const path = env[variable]?.trim();
    if (!path) {
      faults.push(`${variable} must be set`);
      return "";
    }
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      faults.push(`${variable}: ${path} cannot be read: ${error instanceof Error ? error.message : error}`);
      return "";
    }
  };
  const tls = { cert: await read(variables.cert), key: await read(variables.key), ca: await read(variables.ca) };
  return { tls: faults.length === 0 ? tls : null, faults };
}
