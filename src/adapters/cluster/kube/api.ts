/**
 * Requests to the API server on one keep-alive transport with the credentials of `@kubernetes/client-node`.
 *
 * kubernetes-fluent-client makes an agent, and so a TLS connection, for every request and keeps each for minutes: with
 * thousands of writes that is thousands of sockets. What is asked often, or has no verb there, goes by this instead:
 *
 *   watch, and the lists before it                        kubernetes-fluent-client (watch.ts)
 *   create, delete, get                                   here: one per binding or Event, so they are hot
 *   server-side apply on /status with our field manager   here: the client's Apply has a fixed manager, no sub-resource
 *   JSON patch with `test` (replace, finalizers)          here: the same keep-alive connections
 *   merge patch of an Event's series, Leases, reviews     here: no such verb, or one that reads and writes too much
 */
import { Buffer } from "node:buffer";
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent, request as requestHttps } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeConfig } from "@kubernetes/client-node";
import type { JsonObject, JsonValue } from "../../../contract/resources.ts";
import { type Credentials, type KubeSource, loadKubeConfig, readCredentials } from "./credentials.ts";
import { errorOf, faultOf, KubeFault, retryAfterMs } from "./fault.ts";

export interface RequestOptions {
  readonly body?: JsonValue;
  /** Content type of the body; default `application/json`. */
  readonly type?: string;
  readonly signal: AbortSignal;
}

export interface KubeApi {
  /** `https://host:port`. */
  readonly server: string;
  /** Sockets that are open now. */
  readonly sockets: number;
  /**
   * Settles with the object that the API server answers. A refusal is a `TransportError` with a `KubeFault` as cause.
   * Waits and asks again where the server says so by 429 and `retry-after`; gives up after 30 s without an answer.
   */
  request(method: string, path: string, options: RequestOptions): Promise<JsonObject>;
  /** Ends idle connections. */
  close(): void;
}

export interface KubeApiOptions extends KubeSource {
  readonly userAgent?: string;
  /** Connections at most; further requests wait for one. Default 16: more only adds latency on the server. */
  readonly maxSockets?: number;
  /** Milliseconds without an answer after which a request has failed. Default 30 000. */
  readonly answerLimitMs?: number;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | undefined;
}

/** How long credentials are used before their files are looked at again; a 401 looks at once. */
const credentialsMs = 10_000;
/** Times that one request is held back by 429, and the longest wait of each. */
const maxThrottled = 5;
const maxThrottleMs = 30_000;

/** Opens it; throws `InvalidConfiguration` where the kubeconfig names no API server. See `loadKubeConfig` for watches. */
export async function openKubeApi(options: KubeApiOptions = {}): Promise<KubeApi> {
  const config = loadKubeConfig(options);
  const transport = new Transport(config, options);
  await transport.credentials(false);
  return transport;
}

class Transport implements KubeApi {
  readonly server: string;
  readonly #config: KubeConfig;
  readonly #userAgent: string;
  readonly #maxSockets: number;
  readonly #answerLimitMs: number;
  readonly #isTls: boolean;
  #agent: HttpAgent | Agent | null = null;
  #credentials: Credentials | null = null;
  #readAtMs = 0;
  #reading: Promise<Credentials> | null = null;

  constructor(config: KubeConfig, options: KubeApiOptions) {
    this.#config = config;
    this.server = config.getCurrentCluster()!.server.replace(/\/$/, "");
    this.#isTls = this.server.startsWith("https:");
    this.#userAgent = options.userAgent ?? "bobravoz";
    this.#maxSockets = options.maxSockets ?? 16;
    this.#answerLimitMs = options.answerLimitMs ?? 30_000;
  }

  get sockets(): number {
    const { sockets = {}, freeSockets = {} } = this.#agent ?? {};
    return [...Object.values(sockets), ...Object.values(freeSockets)].reduce((sum, all) => sum + (all?.length ?? 0), 0);
  }

  async request(method: string, path: string, options: RequestOptions): Promise<JsonObject> {
    let isFresh = false;
    for (let throttled = 0;;) {
      options.signal.throwIfAborted();
      const answer = await this.#answer(method, path, options, await this.credentials(isFresh));
      if (answer.status >= 200 && answer.status < 300) return parsed(method, path, answer);
      if (answer.status === 401 && !isFresh) {
        // the token was rotated since it was read
        isFresh = true;
        continue;
      }
      const waitMs = retryAfterMs(answer.retryAfter, Date.now());
      if (answer.status !== 429 || waitMs === 0 || ++throttled > maxThrottled || waitMs > maxThrottleMs) {
        throw errorOf(method, path, refusal(answer, waitMs));
      }
      await pause(waitMs, options.signal);
    }
  }

  close(): void {
    this.#agent?.destroy();
  }

  /** Those of the last look, or new ones where that is long ago or `isFresh` asks for it. */
  credentials(isFresh: boolean): Promise<Credentials> {
    const known = this.#credentials;
    if (!isFresh && known !== null && performance.now() - this.#readAtMs < credentialsMs) return Promise.resolve(known);
    return this.#reading ??= readCredentials(this.#config).then((credentials) => {
      if (known === null || !sameTls(known, credentials)) this.#connectWith(credentials);
      this.#readAtMs = performance.now();
      return this.#credentials = credentials;
    }).finally(() => this.#reading = null);
  }

  #connectWith({ tls }: Credentials): void {
    const old = this.#agent;
    const pool = { keepAlive: true, maxSockets: this.#maxSockets, maxFreeSockets: this.#maxSockets };
    this.#agent = this.#isTls ? new Agent({ ...pool, ...tls }) : new HttpAgent(pool);
    // requests that are under way end on the old connections
    if (old !== null) setTimeout(() => old.destroy(), this.#answerLimitMs).unref();
  }

  /** One answer. A kept connection that the server closed meanwhile is worth one more try: it saw nothing of it. */
  async #answer(method: string, path: string, options: RequestOptions, credentials: Credentials): Promise<Answer> {
    try {
      return await this.#send(method, path, options, credentials);
    } catch (error) {
      const isStale = (error as { isStale?: boolean }).isStale === true;
      if (isStale) return await this.#send(method, path, options, credentials).catch((second) => throwAs(second));
      return throwAs(error);
    }
    function throwAs(error: unknown): never {
      options.signal.throwIfAborted();
      if (faultOf(error) !== null) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw errorOf(method, path, new KubeFault(0, "", message === "" ? "no connection" : message));
    }
  }

  #send(method: string, path: string, options: RequestOptions, credentials: Credentials): Promise<Answer> {
    const text = options.body === undefined ? "" : JSON.stringify(options.body);
    const headers: Record<string, string> = {
      ...credentials.headers,
      accept: "application/json",
      "user-agent": this.#userAgent,
    };
    if (text !== "") {
      headers["content-type"] = options.type ?? "application/json";
      headers["content-length"] = String(Buffer.byteLength(text));
    }
    return new Promise((resolve, reject) => {
      const send = this.#isTls ? requestHttps : requestHttp;
      const call = send(new URL(this.server + path), {
        method,
        headers,
        agent: this.#agent!,
        signal: options.signal,
      }, (response) => void read(response).then(resolve, reject));
      const limit = setTimeout(
        () => call.destroy(new Error(`no answer within ${this.#answerLimitMs} ms`)),
        this.#answerLimitMs,
      );
      call.on("close", () => clearTimeout(limit));
      call.on("error", (error: NodeJS.ErrnoException) => {
        const isStale = call.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        reject(Object.assign(error, { isStale }));
      });
      call.end(text);
    });
  }
}

function read(response: IncomingMessage): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    response.on("data", (part: Uint8Array) => parts.push(part));
    response.on("error", reject);
    response.on("end", () => {
      const text = Buffer.concat(parts).toString("utf8");
      resolve({ status: response.statusCode ?? 0, text, retryAfter: response.headers["retry-after"] });
    });
  });
}

function parsed(method: string, path: string, { status, text }: Answer): JsonObject {
  try {
    return text === "" ? {} : JSON.parse(text) as JsonObject; // the API server answers objects alone
  } catch {
    // something else answers at its address
    throw errorOf(method, path, new KubeFault(status, "", `answer is no JSON: ${text.slice(0, 80)}`));
  }
}

function refusal({ status, text }: Answer, waitMs: number): KubeFault {
  let reason = "";
  let message = text.slice(0, 500);
  try {
    const body = JSON.parse(text) as { reason?: string; message?: string };
    reason = body.reason ?? "";
    message = body.message ?? message;
  } catch {
    // not a Status: the text says what there is to say
  }
  return new KubeFault(status, reason, message, waitMs);
}

function sameTls(a: Credentials, b: Credentials): boolean {
  return JSON.stringify(a.tls) === JSON.stringify(b.tls);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
