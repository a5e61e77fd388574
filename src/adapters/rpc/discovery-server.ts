/** What the discovery service stands on: decisions, their snapshot, connector reports, and who may ask. */
import type { HandlerContext } from "@connectrpc/connect";
import type { Clock } from "../../contract/runtime.ts";
import type { Traffic } from "../../contract/traffic.ts";
import type { Decisions } from "../../control/decisions.ts";
import type { ConnectorReports } from "../../control/reports.ts";
import type { BindingSelector } from "../../control/selectors.ts";
import type { BindingSnapshot } from "../../control/snapshot.ts";

/** Says whether a caller may do what it asks; an empty field of `subject` means all. Throws `PermissionDenied`. */
export type Authorize = (
  call: Pick<HandlerContext, "requestHeader" | "values">,
  action: "read" | "report",
  subject: BindingSelector,
) => void | Promise<void>;

export interface DiscoveryDeps {
  readonly decisions: Decisions;
  /** Follows the same decisions. */
  readonly snapshot: BindingSnapshot;
  readonly reports: ConnectorReports;
  /** Live counters of the hub in this process; null where none is. */
  readonly traffic: Traffic | null;
  readonly clock: Clock;
  /** Default: everybody may, as on a loopback address (DECISIONS W-01). */
  readonly authorize?: Authorize;
  /** Ends every call that waits, with its reason. Default: they end with their connection. */
  readonly closing?: AbortSignal;
}

/** What the methods of the service share. */
export class Discovery {
  readonly decisions: Decisions;
  readonly snapshot: BindingSnapshot;
  readonly reports: ConnectorReports;
  readonly traffic: Traffic | null;
  readonly clock: Clock;
  readonly authorize: Authorize;
  readonly closing: AbortSignal;
  #isSynced = false;

  constructor(deps: DiscoveryDeps) {
    this.decisions = deps.decisions;
    this.snapshot = deps.snapshot;
    this.reports = deps.reports;
    this.traffic = deps.traffic;
    this.clock = deps.clock;
    this.authorize = deps.authorize ?? (() => {});
    this.closing = deps.closing ?? new AbortController().signal;
    this.snapshot.onRemoved((binding) => this.reports.forget(binding));
    // A list that never comes is the control loop's to report.
    this.synced.then(() => this.#isSynced = true, () => {});
  }

  /** False while objects are still being listed: what is missing then may only be late. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Settles once `isSynced` is true. */
  get synced(): Promise<void> {
    return this.decisions.synced;
  }
}
