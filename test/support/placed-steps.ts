/**
 * Streams of runs that follow their placement as connectors do: told by discovery where their hub is, they dial it, and
 * when it is lost or they are told another one they dial again. The names are resolved by the test, as a cluster's DNS
 * would.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Binding, BindingState } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { ProcessRequestSchema, ProcessResponseSchema } from "../../gen/transport/v1/hub_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { DiscoveryClient } from "../../src/adapters/connector/discovery-client.ts";
import { drivers } from "../../src/adapters/drivers/table.ts";
import type { Driver } from "../../src/connector/driver.ts";
import { hubRedial } from "../../src/connector/redial.ts";
import { Way } from "../../src/connector/way.ts";
import { protocolVersion, requestHeaders } from "../../src/contract/names.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { Signal } from "./deadline.ts";

/** What became of one step's stream. */
export class PlacedStep {
  readonly storyRun: string;
  readonly step: string;
  /** Address of its hub as discovery says it. */
  endpoint = "";
  /** Whether its hub is up, as discovery says it. */
  isReady = false;
  opened = 0;
  lost = 0;
  /** Ids of the packets that arrived, in order, with the time of the last one. */
  readonly received: number[] = [];
  lastMs = NaN;
  readonly losses: string[] = [];
  way: Way | null = null;

  constructor(storyRun: string, step: string) {
    this.storyRun = storyRun;
    this.step = step;
  }
}

export interface PlacedStepsOptions {
  readonly namespace: string;
  /** Where discovery answers. */
  readonly discovery: string;
  /** Address of a hub by its DNS name; null: it is not known now. */
  readonly resolve: (endpoint: string) => string | null;
}

/** An address where nobody listens, for a name that does not resolve: it is refused at once. */
const nowhere = "127.0.0.1:1";

/** All steps of all runs of a namespace. */
export class PlacedSteps implements AsyncDisposable {
  readonly #options: PlacedStepsOptions;
  readonly #client: DiscoveryClient;
  readonly #driver: Driver;
  readonly #steps = new Map<string, PlacedStep>();
  #watch: { stop(): void } | null = null;
  #isClosed = false;
  #sent = 0;
  readonly signal = new Signal();

  constructor(options: PlacedStepsOptions) {
    this.#options = options;
    this.#client = new DiscoveryClient({ address: options.discovery, tls: null, clock: systemClock });
    this.#driver = drivers["bobravoz-grpc"]({
      clock: systemClock,
      log: silentLog,
      tls: null,
      keepalive: null,
      maxReceiveBytes: 1 << 22,
      memory: new Map(),
    });
    this.#follow();
  }

  get all(): readonly PlacedStep[] {
    return [...this.#steps.values()];
  }

  of(step: string): readonly PlacedStep[] {
    return this.all.filter((each) => each.step === step);
  }

  /** Sends one numbered packet on the stream of each step of that name. */
  send(step: string): number {
    const id = ++this.#sent;
    const request = create(ProcessRequestSchema, { packet: { metadata: { id: String(id) }, payload: { id } } });
    const bytes = toBinary(ProcessRequestSchema, request);
    for (const { way } of this.of(step)) {
      way?.offer({ parts: [bytes], size: bytes.length, hasFrame: false });
      way?.pump();
    }
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#watch?.stop();
    await Promise.all(this.all.map(({ way }) => way?.close(100)));
    await this.#driver.close();
    await this.#client.close();
  }

  /** Every binding of the namespace by one stream; again when the controller is lost. */
  #follow(): void {
    this.#watch = this.#client.watch({ namespace: this.#options.namespace, storyRun: "", step: "" }, null, {
      changed: (binding) => {
        this.#told(binding);
        return null;
      },
      removed: () => this.signal.notify(),
      ended: () => {
        if (!this.#isClosed) setTimeout(() => !this.#isClosed && this.#follow(), 200);
      },
    });
  }

  #told(binding: Binding): void {
    const key = `${binding.storyRun}/${binding.step}`;
    let step = this.#steps.get(key);
    if (step === undefined) this.#steps.set(key, step = new PlacedStep(binding.storyRun, binding.step));
    step.endpoint = binding.hubEndpoint;
    step.isReady = binding.state === BindingState.READY;
    const target = () => ({ address: this.#options.resolve(binding.hubEndpoint) ?? nowhere, serverName: "" });
    if (step.way === null) {
      step.way = this.#open(step, target());
      step.way.start();
    } else step.way.retarget(target());
    this.signal.notify();
  }

  #open(step: PlacedStep, target: { address: string; serverName: string }): Way {
    const { namespace } = this.#options;
    const way: Way = new Way(target, {
      driver: this.#driver,
      headers: () => {
        // a name is looked up at each dial
        const address = this.#options.resolve(step.endpoint) ?? nowhere;
        if (address !== way.target.address) queueMicrotask(() => way.retarget({ address, serverName: "" }));
        return {
          [requestHeaders.protocol]: protocolVersion,
          [requestHeaders.namespace]: namespace,
          [requestHeaders.storyRun]: step.storyRun,
          [requestHeaders.step]: step.step,
          [requestHeaders.generation]: "1",
        };
      },
      limits: { maxMessages: 64, maxBytes: 1 << 20 },
      redial: hubRedial,
      dialTimeoutMs: 2_000,
      stallLimitMs: 5_000,
      isReliable: () => false,
      countsAcks: false,
      clock: systemClock,
      random: Math.random,
    }, {
      opened: () => {
        step.opened++;
        this.signal.notify();
      },
      lost: (error) => {
        step.lost++;
        step.losses.push(error?.message ?? "closed");
        this.signal.notify();
      },
      failed: (error) => step.losses.push(`failed: ${error.message}`),
      message: (bytes, start, end) => {
        const { packet } = fromBinary(ProcessResponseSchema, bytes.subarray(start, end));
        const id = packet?.metadata["id"];
        if (id !== undefined) {
          step.received.push(Number(id));
          step.lastMs = performance.now();
          this.signal.notify();
        }
        return true;
      },
      endOfChunk() {},
      delivered() {},
      dropped() {},
      room() {},
      drained() {},
    });
    return way;
  }
}
