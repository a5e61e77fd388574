/**
 * The admission webhook's HTTPS port (control-plane 7.1).
 *
 * Posture: it is registered with `failurePolicy: Fail` for pods that bear the engram label and is not asked about others,
 * so when it is down, labelled pods are refused (their ReplicaSet tries again) and everything else goes on. The same
 * holds for what goes wrong inside: pods that are not for us are allowed before anything can fail, a labelled one is
 * denied, since an engram without connector would run and never speak to anybody.
 */
import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { isTransportError, TransportError } from "../../contract/errors.ts";
import type { Clock, Log } from "../../contract/runtime.ts";
import type { Admission, PodRequest } from "../../control/inject.ts";
import { readReview, type Review, writeReview } from "./review.ts";
import type { ServingPair } from "./serving-certificate.ts";

export const admissionPath = "/mutate-transport-connector-pod";

/** Largest body, in bytes: a pod is at most 1.5 MiB, and a request may hold it twice with its escapes. */
const maxBodyBytes = 7_340_032;
/** Time for one answer where the API server does not say: its own default. */
const defaultTimeoutMs = 10_000;
/** What an answer takes on its way: ours must be there before the API server gives up. */
const marginMs = 500;

export interface AdmissionServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly pair: ServingPair;
  decide(request: PodRequest, signal: AbortSignal): Promise<Admission>;
  /** Told of each answer. */
  answered(fact: AnswerFact): void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface AnswerFact {
  /** HTTP status. */
  readonly status: number;
  readonly outcome: "injected" | "unchanged" | "denied" | "failed" | "malformed";
  readonly tookMs: number;
}

export interface AdmissionServer {
  /** `host:port`. */
  readonly address: string;
  /** New connections get this certificate. */
  renew(pair: ServingPair): void;
  /** Takes no new connections; answers that are under way have `limitMs`. */
  close(limitMs: number): Promise<void>;
}

type Answer = { readonly status: number; readonly body: string; readonly outcome: AnswerFact["outcome"] };

/** Listens. Throws `PortInUse` or `InvalidConfiguration` naming the address. */
export async function listenAdmission(options: AdmissionServerOptions): Promise<AdmissionServer> {
  const { clock, log } = options;
  const limits = { headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 120_000 };
  const server = createServer({ ...options.pair, ...limits, minVersion: "TLSv1.2" }, (request, response) => {
    const sinceMs = clock.monotonicMs();
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    answer(request, options, gone.signal).then(({ status, body, outcome }) => {
      const isJson = body.startsWith("{");
      response.writeHead(status, {
        "content-type": isJson ? "application/json" : "text/plain; charset=utf-8",
        // the rest of a body that was refused is not read
        ...status === 413 || status === 408 ? { connection: "close" } : {},
      });
      response.end(body);
      options.answered({ status, outcome, tookMs: clock.monotonicMs() - sinceMs });
    });
  });
  server.on("tlsClientError", (error) => log.debug("TLS handshake failed", { error: error.message }));
  await listen(server, options.host, options.port);
  return {
    address: `${options.host}:${(server.address() as AddressInfo).port}`, // it listens on a port
    renew: (pair) => server.setSecureContext(pair),
    close: (limitMs) =>
      new Promise((resolve) => {
        const timer = clock.after(limitMs, () => server.closeAllConnections());
        server.close(() => {
          timer.cancel();
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === "EADDRINUSE";
      const where = `${host}:${port}`;
      const text = isTaken ? `address ${where} is in use` : `cannot listen on ${where}: ${cause.message}`;
      reject(new TransportError(isTaken ? "PortInUse" : "InvalidConfiguration", text, {}, { cause }));
    });
    server.listen(port, host, resolve);
  });
}

/** Never rejects. */
async function answer(request: IncomingMessage, options: AdmissionServerOptions, gone: AbortSignal): Promise<Answer> {
  const url = new URL(request.url ?? "/", "https://webhook");
  const malformed = (status: number, body: string): Answer => ({ status, body: `${body}\n`, outcome: "malformed" });
  if (url.pathname !== admissionPath) return malformed(404, `not found; there is ${admissionPath}`);
  if (request.method !== "POST") return malformed(405, `an AdmissionReview is sent by POST, not ${request.method}`);
  const type = request.headers["content-type"] ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    return malformed(415, `an AdmissionReview is application/json, not ${JSON.stringify(type)}`);
  }
  const timeoutMs = timeoutOf(url.searchParams.get("timeout"));
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([deadline, gone]);
  let review: Review;
  try {
    review = readReview(await readBody(request, signal));
  } catch (error) {
    if (isTransportError(error)) return malformed(error.reason === "PacketTooLarge" ? 413 : 400, error.message);
    return malformed(408, "the body did not arrive in time");
  }
  return await decide(review, timeoutMs, deadline, signal, options);
}

async function decide(
  review: Review,
  timeoutMs: number,
  deadline: AbortSignal,
  signal: AbortSignal,
  { decide, log }: AdmissionServerOptions,
): Promise<Answer> {
  const { uid, kind, namespace } = review;
  if (kind !== null && kind !== "v1/Pod") {
    return { status: 200, body: writeReview(uid, { allowed: true, patch: [], warnings: [] }), outcome: "unchanged" };
  }
  try {
    const admission = await decide(review, signal);
    if (!admission.allowed) log.warn("pod is denied", { namespace, pod: nameOf(review), error: admission.message });
    else if (admission.patch.length > 0) log.info("connector is injected", { namespace, pod: nameOf(review) });
    const outcome = !admission.allowed ? "denied" : admission.patch.length > 0 ? "injected" : "unchanged";
    return { status: 200, body: writeReview(uid, admission), outcome };
  } catch (error) {
    const message = deadline.aborted
      ? `the connector was not decided within ${timeoutMs} ms: the API server did not answer in time`
      : "the webhook failed inside: its log says where";
    // a caller that has gone is no failure of ours
    if (!signal.aborted || deadline.aborted) {
      const detail = error instanceof Error ? error.stack ?? error.message : String(error);
      log.error("pod cannot be decided", {
        namespace,
        pod: nameOf(review),
        error: deadline.aborted ? message : detail,
      });
    }
    const code = deadline.aborted ? 504 : 500;
    return { status: 200, body: writeReview(uid, { allowed: false, code, message }), outcome: "failed" };
  }
}

function nameOf({ pod }: Review): string {
  const { name, generateName } = (pod["metadata"] ?? {}) as { name?: unknown; generateName?: unknown };
  return String(name ?? generateName ?? "");
}

/** The API server's own limit of this call (`?timeout=10s`), less what the answer needs on its way. */
function timeoutOf(text: string | null): number {
  const [, number = "", unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text ?? "") ?? [];
  const given = number === "" ? defaultTimeoutMs : Number(number) * (unit === "s" ? 1000 : 1);
  return Math.max(Math.min(given, 30_000) - marginMs, 100);
}

/** Throws `PacketTooLarge`; rejects with the signal's reason. */
async function readBody(request: IncomingMessage, signal: AbortSignal): Promise<string> {
  const tooLarge = () => new TransportError("PacketTooLarge", `the body is larger than ${maxBodyBytes} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) throw tooLarge();
  request.setEncoding("utf8");
  return await new Promise((resolve, reject) => {
    const parts: string[] = [];
    let size = 0;
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    request.on("data", (part: string) => {
      size += part.length;
      if (size > maxBodyBytes) reject(tooLarge());
      else parts.push(part);
    });
    request.on("error", reject);
    request.on("end", () => {
      signal.removeEventListener("abort", abort);
      resolve(parts.join(""));
    });
  });
}
