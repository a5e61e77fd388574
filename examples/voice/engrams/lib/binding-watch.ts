/** The step's binding: asked for once, then watched, each version acknowledged. There is no other source for it. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import {
  type Binding,
  type DiscoveryService,
  EdgeMode,
  type WatchBindingsRequest,
  WatchBindingsRequestSchema,
} from "../../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { SendQueue } from "../../../../src/adapters/rpc/send-queue.ts";
import type { StepIdentity } from "../../../../src/adapters/rpc/step-stream.ts";

/** How long discovery may take to decide. */
const decisionMs = 15_000;

export class BindingWatch {
  #current: Binding;
  readonly #listeners = new Set<() => void>();

  /** Waits until the binding is decided. Rejects when discovery does not know it, or does not answer. */
  static async open(
    client: Client<typeof DiscoveryService>,
    { namespace, storyRun, step }: StepIdentity,
    signal: AbortSignal,
  ): Promise<BindingWatch> {
    const wait = { seconds: BigInt(decisionMs / 1000), nanos: 0 };
    const options = { signal, timeoutMs: decisionMs + 1000 };
    const { binding } = await client.getBinding({ namespace, storyRun, step, wait }, options);
    if (binding === undefined) throw new Error("discovery answered without a binding");
    return new BindingWatch(binding);
  }

  private constructor(binding: Binding) {
    this.#current = binding;
  }

  /** The version in force. */
  get current(): Binding {
    return this.#current;
  }

  /** Follows the binding until the signal fires; rejects when the watch fails, or the binding is removed. */
  async follow(client: Client<typeof DiscoveryService>, signal: AbortSignal): Promise<void> {
    const { namespace, storyRun, step, name } = this.#current;
    const requests = new SendQueue<WatchBindingsRequest>();
    const say = (message: MessageInitShape<typeof WatchBindingsRequestSchema>["message"]) =>
      requests.add(create(WatchBindingsRequestSchema, { message }));
    say({ case: "subscribe", value: { selectors: [{ namespace, storyRun, step }] } });
    for await (const { nonce, bindings, removed } of client.watchBindings(requests, { signal })) {
      if (removed.includes(`${namespace}/${name}`)) throw new Error(`binding ${namespace}/${name} is removed`);
      for (const binding of bindings) this.#current = binding;
      say({ case: "ack", value: { nonce } });
      for (const changed of [...this.#listeners]) changed();
    }
    throw new Error("discovery has ended the watch");
  }

  /** Calls `changed` after each new version. */
  subscribe(changed: () => void): void {
    this.#listeners.add(changed);
  }

  /** Whether `claim` becomes true of the binding within `limitMs`. */
  async until(claim: (binding: Binding) => boolean, limitMs: number): Promise<boolean> {
    if (claim(this.#current)) return true;
    return await new Promise<boolean>((resolve) => {
      const finish = (answer: boolean) => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve(answer);
      };
      const look = () => claim(this.#current) && finish(true);
      const timer = setTimeout(() => finish(false), limitMs);
      this.#listeners.add(look);
    });
  }
}

/** Whether every edge that is published as peer-to-peer is so in effect. */
export function isDirect({ downstreams }: Binding): boolean {
  return downstreams.every(({ published, effective }) => published !== EdgeMode.P2P || effective === EdgeMode.P2P);
}
