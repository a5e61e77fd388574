/** A discovery service over decisions made by hand, and a client that watches over a real connection. */
import { type Client, type ConnectRouter, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { file_bobravoz_discovery_v1_discovery } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import {
  DiscoveryService,
  type WatchBindingsRequestSchema,
  type WatchBindingsResponse,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { MemoryCluster } from "../../src/adapters/cluster/memory.ts";
import { addDiscovery } from "../../src/adapters/rpc/discovery.ts";
import { isPlainGrpcWatch, serveWatchStream } from "../../src/adapters/http/watch-stream.ts";
import type { Discovery, DiscoveryDeps } from "../../src/adapters/rpc/discovery-server.ts";
import { addReflection } from "../../src/adapters/rpc/reflection.ts";
import { TransportError } from "../../src/contract/errors.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { ConnectorReports } from "../../src/control/reports.ts";
import { BindingSnapshot } from "../../src/control/snapshot.ts";
import { decided, describe, FakeDecisions } from "./fake-decisions.ts";
import { binding as transportBinding, storyRun } from "./objects.ts";
import { next, type RpcServer, serveRpc } from "./serve-rpc.ts";

export interface DiscoveryBed extends AsyncDisposable {
  readonly server: RpcServer;
  readonly decisions: FakeDecisions;
  readonly cluster: MemoryCluster;
  readonly reports: ConnectorReports;
  readonly client: Client<typeof DiscoveryService>;
  /** Ends the service as a hub that drains does. */
  stop(): void;
  /** Decides a run of `demo`: reasons by step, so that another reason is another version. */
  put(run: string, steps: Readonly<Record<string, string>>): void;
}

export const step = (name: string, run = "voice-7") => ({ namespace: "demo", storyRun: run, step: name });

interface BedOptions {
  readonly isSynced?: boolean;
  readonly graceMs?: number;
  /** Watches over gRPC have our own framing, beside the Connect adapter. */
  readonly isFast?: boolean;
}

/** A service that knows no run yet; everything ends with it. */
export async function discoveryBed(
  more: Partial<Pick<DiscoveryDeps, "traffic" | "authorize">> & BedOptions = {},
): Promise<DiscoveryBed> {
  const { isSynced = true, graceMs = 50, isFast = false, ...deps } = more;
  const decisions = new FakeDecisions(isSynced);
  const cluster = new MemoryCluster(systemClock);
  const snapshot = new BindingSnapshot(decisions);
  const reports = new ConnectorReports({
    cluster,
    binding: (namespace, name) => cluster.get("TransportBinding", namespace, name),
    clock: systemClock,
    log: silentLog,
    graceMs,
  });
  const closing = new AbortController();
  let discovery: Discovery | null = null;
  const routes = (router: ConnectRouter): void => {
    discovery = addDiscovery(router, {
      decisions,
      snapshot,
      reports,
      traffic: null,
      clock: systemClock,
      closing: closing.signal,
      ...deps,
    });
    addReflection(router, [file_bobravoz_discovery_v1_discovery]);
  };
  const server = await serveRpc(routes, (stream, headers) => {
    if (!isFast || discovery === null || !isPlainGrpcWatch(headers)) return false;
    serveWatchStream(stream, headers, { discovery, clock: systemClock, maxReceiveBytes: 1_000_000 });
    return true;
  });
  return {
    server,
    decisions,
    cluster,
    reports,
    client: createClient(DiscoveryService, createGrpcTransport({ baseUrl: server.url })),
    put(run, steps) {
      const descriptions = Object.entries(steps).map(([name, reason]) => describe("demo", run, name, { reason }));
      for (const { name, step } of descriptions) cluster.put(transportBinding(name, storyRun(run, "voice"), step));
      decisions.set(decided("demo", run, descriptions));
    },
    stop: () => closing.abort(new TransportError("HubDraining", "the hub is stopping")),
    async [Symbol.asyncDispose]() {
      reports.close();
      snapshot.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

type WatchRequest = MessageInitShape<typeof WatchBindingsRequestSchema>;

/** One watch as a client holds it. Dispose of it to end it. */
export class TestWatch implements Disposable {
  readonly #requests: WatchRequest[] = [];
  readonly #stop = new AbortController();
  readonly #responses: AsyncIterator<WatchBindingsResponse>;
  #wake: () => void = () => {};
  #isEnded = false;

  constructor(client: Client<typeof DiscoveryService>) {
    this.#responses = client.watchBindings(this.#send(), { signal: this.#stop.signal })[Symbol.asyncIterator]();
  }

  subscribe(selectors: object[], heldVersions: Record<string, string> = {}): void {
    this.request({ message: { case: "subscribe", value: { selectors, heldVersions } } });
  }

  ack(nonce: string): void {
    this.request({ message: { case: "ack", value: { nonce } } });
  }

  nack(nonce: string, binding: string, reason = "DriverUnknown"): void {
    this.request({ message: { case: "nack", value: { nonce, rejections: [{ binding, reason }] } } });
  }

  request(request: WatchRequest): void {
    this.#requests.push(request);
    this.#wake();
  }

  /** Says that no request follows. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** The next response. */
  next(what = "response"): Promise<WatchBindingsResponse> {
    return next(what, this.#responses);
  }

  /** The next response, accepted. */
  async take(what?: string): Promise<WatchBindingsResponse> {
    const response = await this.next(what);
    this.ack(response.nonce);
    return response;
  }

  /** Whatever comes next, the end included. */
  raw(): Promise<IteratorResult<WatchBindingsResponse>> {
    return this.#responses.next();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async *#send(): AsyncGenerator<WatchRequest> {
    while (!this.#stop.signal.aborted) {
      const request = this.#requests.shift();
      if (request !== undefined) yield request;
      else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
