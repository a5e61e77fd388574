/** What a connector asks of binding discovery; `adapters/connector` speaks it (ARCHITECTURE.md 3). */
import type { Binding, Rejection, ReportConnectorRequest } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import type { TransportError } from "../contract/errors.ts";

/** Namespace, run and step whose binding is meant. */
export interface StepIdentity {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
}

export interface BindingEvents {
  /** A version of the binding. Answers why it cannot be obeyed, or null: that is what discovery is told. */
  changed(binding: Binding): Pick<Rejection, "reason" | "message"> | null;
  /** The binding is no more. */
  removed(): void;
  /** The watch is over; once, last. */
  ended(error: TransportError): void;
}

export interface Watch {
  /** Ends it; `ended` is not called any more. Idempotent. */
  stop(): void;
}

export interface Discovery {
  /** The binding, once it is decided, within `waitMs`. Rejects with the reason of discovery. */
  get(step: StepIdentity, waitMs: number): Promise<Binding>;
  /** Watches the binding. `held`: the version that is known already. */
  watch(
    step: StepIdentity,
    held: { readonly binding: string; readonly version: string } | null,
    events: BindingEvents,
  ): Watch;
  /** Rejects with the reason of discovery. */
  report(report: ReportConnectorRequest): Promise<void>;
  close(): Promise<void>;
}
