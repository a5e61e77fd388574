/** Certificates of a port that change on disk, as a Secret that is mounted does (control-plane C-107). */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Http2Port } from "../adapters/grpc/listen.ts";
import type { TlsFiles } from "../adapters/grpc/options.ts";
import type { Clock, Log, Timer } from "../contract/runtime.ts";

export interface RenewalOptions {
  /** What the port was opened with. */
  readonly tls: TlsFiles;
  /** Reads the files again. */
  read(): Promise<TlsFiles | null>;
  readonly server: Pick<Http2Port, "renew">;
  readonly clock: Clock;
  readonly log: Log;
  /** Time between looks. Default 30 s. */
  readonly everyMs?: number;
}

/** Gives new connections what stands in the files; what cannot be read or used leaves the certificate as it is. */
export function renewCertificates({ tls, read, server, clock, log, everyMs = 30_000 }: RenewalOptions): Timer {
  let last = JSON.stringify(tls);
  return clock.every(everyMs, () => {
    read().then((next) => {
      const text = JSON.stringify(next);
      if (next === null || text === last) return;
      // files are replaced one by one: half a replacement is none
      if (!new X509Certificate(next.cert).checkPrivateKey(createPrivateKey(next.key))) {
        throw new Error("certificate and key do not belong together");
      }
      server.renew(next);
      last = text;
      log.info("certificate is replaced");
    }).catch((error: unknown) => log.warn("certificate cannot be replaced", { error: String(error) }));
  });
}
