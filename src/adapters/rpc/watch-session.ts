/** One client's watch on the discovery service, whatever carries its messages. */
import type { HandlerContext } from "@connectrpc/connect";
import type { WatchBindingsRequest } from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import { type BindingSelector, checkedSelectors } from "../../control/selectors.ts";
import type { Watch } from "../../control/snapshot.ts";
import { type Delta, Subscription, type Verdict } from "../../control/subscriptions.ts";
import type { VersionedBinding } from "../../control/versioned-binding.ts";
import type { Discovery } from "./discovery-server.ts";

/** What is known of who calls. */
export type Caller = Pick<HandlerContext, "requestHeader" | "values">;

export class WatchSession {
  readonly #discovery: Discovery;
  readonly #caller: Caller;
  readonly #changed: () => void;
  readonly #subscription: Subscription<VersionedBinding>;
  #watch: Watch | null = null;
  #isClosed = false;
  // A watch that names one step is its connector's; with it, the connector counts as alive (DECISIONS K-12).
  #connectors = new Map<string, () => void>();

  /** Calls `changed` when there may be something to send. */
  constructor(discovery: Discovery, caller: Caller, changed: () => void) {
    this.#discovery = discovery;
    this.#caller = caller;
    this.#changed = changed;
    this.#subscription = new Subscription(discovery.snapshot);
  }

  /**
   * Takes the client's next message; the one after it waits until this settles, where it returns a promise. Throws
   * `InvalidRequest` or `PermissionDenied`, after which the watch is to be ended.
   */
  take({ message }: WatchBindingsRequest): void | Promise<void> {
    switch (message.case) {
      case "subscribe":
        return this.#subscribe(message.value.selectors, message.value.heldVersions);
      case "ack":
        this.#checkSubscribed();
        return this.#record(this.#subscription.ack(message.value.nonce));
      case "nack":
        this.#checkSubscribed();
        return this.#record(this.#subscription.nack(message.value.nonce, message.value.rejections));
      case undefined:
        throw new TransportError("InvalidRequest", "a message is none of subscribe, ack, nack");
      default:
        message satisfies never;
    }
  }

  /** What is due to be sent now, which then waits for its acknowledgement; null where nothing is. */
  next(): Delta<VersionedBinding> | null {
    return this.#subscription.next();
  }

  /** The same for a client that sends nothing more: it accepts everything. */
  nextUnasked(): Delta<VersionedBinding> | null {
    this.#subscription.acceptAll();
    return this.#subscription.next();
  }

  close(): void {
    this.#isClosed = true;
    this.#watch?.stop();
    for (const end of this.#connectors.values()) end();
  }

  #checkSubscribed(): void {
    if (this.#watch !== null) return;
    throw new TransportError("InvalidRequest", "the first message of a watch must be subscribe");
  }

  async #subscribe(wanted: readonly BindingSelector[], held: Readonly<Record<string, string>>): Promise<void> {
    const discovery = this.#discovery;
    const selectors = checkedSelectors(wanted);
    for (const selector of selectors) await discovery.authorize(this.#caller, "read", selector);
    // Before, everything that is only late would be told as removed.
    if (!discovery.isSynced) await discovery.synced;
    if (this.#isClosed) return;
    if (this.#watch === null) {
      this.#watch = discovery.snapshot.watch(selectors, (keys) => {
        for (const key of keys) this.#subscription.touch(key);
        this.#changed();
      });
    } else {
      this.#watch.select(selectors);
    }
    this.#record(this.#subscription.subscribe(selectors, held));
    this.#attend(selectors);
  }

  #attend(selectors: readonly BindingSelector[]): void {
    const before = this.#connectors;
    this.#connectors = new Map();
    for (const selector of selectors) {
      const { namespace, storyRun, step } = selector;
      if (namespace === "" || storyRun === "" || step === "") continue;
      const key = `${namespace}/${storyRun}/${step}`;
      if (!this.#connectors.has(key)) this.#connectors.set(key, this.#discovery.reports.watched(selector));
    }
    for (const end of before.values()) end();
  }

  #record(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts) {
      // A binding that is gone by now has no connector to keep facts of.
      const binding = this.#discovery.snapshot.get(verdict.key);
      if (binding !== undefined) this.#discovery.reports.verdict(binding, verdict);
    }
  }
}
