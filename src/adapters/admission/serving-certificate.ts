/** The webhook's serving certificate: files that appear late and are replaced while it runs (control-plane C-107). */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Clock, Log } from "../../contract/runtime.ts";

export interface ServingPair {
  readonly cert: string;
  readonly key: string;
}

export interface PairFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificateFacts {
  /** Milliseconds since the epoch. */
  readonly notAfterMs: number;
}

/** How often the files are looked at. A Secret's mount follows the Secret by up to a minute anyway. */
const lookMs = 1_000;

/** Reads both and checks that they belong together; throws a sentence that names the file. */
export async function readPair({ certFile, keyFile }: PairFiles): Promise<ServingPair> {
  const read = async (file: string): Promise<string> => {
    try {
      return await readFile(file, "utf8");
    } catch (error) {
      throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  };
  const pair = { cert: await read(certFile), key: await read(keyFile) };
  let isFitting = false;
  try {
    isFitting = new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key));
    if (isFitting) createSecureContext(pair);
  } catch (error) {
    throw new Error(`${certFile} and ${keyFile} cannot be used: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  // half of a replacement, between two writes: the next look finds the other half
  if (!isFitting) throw new Error(`${keyFile} is not the key of ${certFile}`);
  return pair;
}

/** When it ends. */
export function factsOf({ cert }: ServingPair): CertificateFacts {
  return { notAfterMs: Date.parse(new X509Certificate(cert).validTo) };
}

/**
 * Calls `onPair` with the first pair that can be used and with every other one after it, until the signal fires. What
 * cannot be used is logged once and leaves the last one in force.
 */
export async function followPair(
  files: PairFiles,
  onPair: (pair: ServingPair) => void | Promise<void>,
  { clock, log, signal }: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  let last = "";
  let fault = "";
  while (!signal.aborted) {
    const read = await readPair(files).catch((error: Error) => error.message);
    if (typeof read === "string") {
      if (read !== fault) log.warn("serving certificate cannot be used", { error: read });
      fault = read;
    } else {
      fault = "";
      if (read.cert + read.key !== last) {
        const isFirst = last === "";
        last = read.cert + read.key;
        await onPair(read);
        log.info(isFirst ? "serving certificate is loaded" : "serving certificate is replaced", {
          notAfter: new Date(factsOf(read).notAfterMs).toISOString(),
        });
      }
    }
    await pause(clock, signal);
  }
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(lookMs, end);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  });
}
