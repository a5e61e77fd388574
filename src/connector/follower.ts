/** Follows the binding of one step for as long as the connector lives: asked for, then watched, again after a loss. */
import type { Binding, Rejection } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { isTransportError, type TransportError } from "../contract/errors.ts";
import type { Clock, Log } from "../contract/runtime.ts";
import type { ConnectorBinding } from "./binding.ts";
import type { Discovery, StepIdentity, Watch } from "./discovery.ts";
import { Redial } from "./redial.ts";
import { bindingOfDiscovery } from "./told-binding.ts";

export interface FollowerOptions {
  readonly discovery: Discovery;
  readonly identity: StepIdentity;
  /** Drivers that this connector has. */
  readonly drivers: ReadonlySet<string>;
  readonly apply: (binding: ConnectorBinding) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

const redial = { baseMs: 500, maxMs: 15_000, maxAttempts: Infinity } as const;

export class Follower {
  readonly #options: FollowerOptions;
  readonly #redial: Redial;
  #held: { readonly binding: string; readonly version: string } | null = null;
  #watch: Watch | null = null;
  #isStopped = false;
  #lastReason = "";

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#redial = new Redial(redial, options.clock, options.random);
  }

  /** The binding, waiting up to `limitMs` for discovery to answer and to have decided. Rejects with its last reason. */
  async first(limitMs: number): Promise<ConnectorBinding> {
    const { clock, discovery, identity } = this.#options;
    const until = clock.monotonicMs() + limitMs;
    for (;;) {
      const leftMs = until - clock.monotonicMs();
      try {
        return bindingOfDiscovery(await discovery.get(identity, Math.max(leftMs, 1)));
      } catch (error) {
        const waits = isTransportError(error) && (error.reason === "Unavailable" || error.reason === "NotDecided");
        if (!waits || leftMs <= 0) throw error;
      }
      await new Promise<void>((resolve) => clock.after(500, resolve));
    }
  }

  /** Watches from now on. */
  start(): void {
    if (this.#isStopped) return;
    const { discovery, identity, log } = this.#options;
    this.#watch = discovery.watch(identity, this.#held, {
      changed: (binding) => this.#changed(binding),
      removed: () => log.warn("binding removed, the last one stays in force", { ...identity }),
      ended: (error) => this.#ended(error),
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#redial.cancel();
    this.#watch?.stop();
  }

  #changed(message: Binding): Pick<Rejection, "reason" | "message"> | null {
    this.#redial.succeeded();
    this.#lastReason = "";
    const { apply, drivers, identity, log } = this.#options;
    const { version, driver } = message;
    if (!drivers.has(driver)) {
      const text = `driver "${driver}" is not one of ${[...drivers].join(", ")}`;
      log.warn("binding refused, the last one stays in force", { ...identity, version, reason: "DriverUnknown" });
      return { reason: "DriverUnknown", message: text };
    }
    let binding: ConnectorBinding;
    try {
      binding = bindingOfDiscovery(message);
    } catch (error) {
      if (!isTransportError(error)) throw error;
      log.warn("binding refused, the last one stays in force", { ...identity, version, reason: error.reason });
      return { reason: error.reason, message: error.message };
    }
    this.#held = { binding: `${message.namespace}/${message.name}`, version };
    apply(binding);
    return null;
  }

  #ended(error: TransportError): void {
    if (this.#isStopped) return;
    const { log, identity } = this.#options;
    // a discovery that is away says the same at each attempt
    if (error.reason !== this.#lastReason) {
      log.warn("watch of the binding is lost", { ...identity, reason: error.reason, detail: error.message });
    }
    this.#lastReason = error.reason;
    this.#redial.schedule(() => this.start());
  }
}
