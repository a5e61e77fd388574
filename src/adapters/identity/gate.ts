/**
 * The check of a caller before its first packet or answer: certificate and token against what it claims. Nothing of it
 * runs per packet.
 */
import { isTransportError, TransportError } from "../../contract/errors.ts";
import {
  type Claim,
  type IdentityMode,
  type IdentityReason,
  type IdentityVerdict,
  judge,
  type Proof,
} from "../../contract/identity.ts";
import type { Clock, Log } from "../../contract/runtime.ts";
import { type CallerSession, namespacesOf } from "./certificate.ts";
import { RememberedReviews, type TokenReviewer } from "./token-review.ts";

/** What asks: the hub's streams, or binding discovery. */
export type IdentitySurface = "hub" | "discovery";

export interface IdentityGateOptions {
  readonly surface: IdentitySurface;
  /** A function where it may change while the program runs. */
  readonly mode: IdentityMode | (() => IdentityMode);
  /** Settles when `mode` is true; until then calls wait, for 5 s at most. Default: it is. */
  readonly known?: Promise<unknown>;
  readonly reviewer: TokenReviewer;
  readonly clock: Clock;
  readonly log: Log;
}

/** Verdicts of one kind; the labels are closed lists. `ReviewFailed`: nobody could say who the token is. */
export interface IdentityCount {
  readonly surface: IdentitySurface;
  readonly mode: IdentityMode;
  readonly reason: IdentityReason | "ReviewFailed";
  readonly count: number;
}

/** How long a call waits for the mode. */
const knownLimitMs = 5_000;

/** Lines of one reason come at most this often, with the number of those that were left out. */
const sampleMs = 10_000;

export interface IdentityGate {
  /**
   * Settles where the call may go on, at once where everything is known. Throws or rejects with `PermissionDenied` for
   * a claim beyond the proof, `Unavailable` where mode or token cannot be known now. Mode `observe` never waits or throws.
   */
  check(claim: Claim, session: CallerSession | null, authorization: string | null | undefined): void | Promise<void>;
  /** Verdicts so far. */
  counts(): readonly IdentityCount[];
}

/** The checks of a program; null: everybody may, as on a loopback address. */
export interface IdentityGates {
  readonly hub: IdentityGate | null;
  readonly discovery: IdentityGate | null;
}

/** Makes the check of one surface; gates of one program may share a reviewer, not what it remembers. */
export function identityGate(options: IdentityGateOptions): IdentityGate {
  return new Gate(options);
}

class Gate implements IdentityGate {
  readonly #options: IdentityGateOptions;
  readonly #reviews: RememberedReviews;
  readonly #counts = new Map<string, { surface: IdentitySurface; mode: IdentityMode; reason: Reason; count: number }>();
  #isKnown: boolean;
  readonly #samples = new Map<Reason, { nextMs: number; omitted: number }>();

  constructor(options: IdentityGateOptions) {
    this.#options = options;
    this.#reviews = new RememberedReviews(options);
    this.#isKnown = options.known === undefined;
    // what keeps it from being known is told by whoever reads it
    options.known?.then(() => this.#isKnown = true, () => {});
  }

  check(claim: Claim, session: CallerSession | null, authorization: string | null | undefined): void | Promise<void> {
    if (!this.#isKnown) return this.#checkOnceKnown(claim, session, authorization);
    const { mode: given } = this.#options;
    const mode = typeof given === "function" ? given() : given;
    if (mode === "off") return;
    // a session that is gone by the time of the review can no longer be asked
    const namespaces = namespacesOf(session);
    const token = tokenOf(authorization);
    const reviewed = token === null || token === "refused" ? token : this.#reviews.review(token);
    if (!(reviewed instanceof Promise)) return this.#conclude({ namespaces, token: reviewed }, claim, mode);
    const concluded = reviewed.then(
      (answer) => this.#conclude({ namespaces, token: answer }, claim, mode),
      (error: unknown) => this.#failed(error, claim, mode),
    );
    if (mode === "enforce") return concluded;
    // neither of the two throws in this mode
    void concluded;
  }

  /** A mode that is read late must not let in meanwhile whom it would refuse. */
  async #checkOnceKnown(...call: Parameters<IdentityGate["check"]>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = this.#options.clock.after(knownLimitMs, () => {
      late.reject(
        new TransportError("Unavailable", `which identities are checked is not known after ${knownLimitMs} ms`),
      );
    });
    try {
      await Promise.race([this.#options.known, late.promise]);
    } finally {
      timer.cancel();
    }
    this.#isKnown = true;
    await this.check(...call);
  }

  counts(): readonly IdentityCount[] {
    return [...this.#counts.values()].map((each) => ({ ...each }));
  }

  #conclude(proof: Proof, claim: Claim, mode: IdentityMode): void {
    const verdict = judge(proof, claim, mode);
    this.#count(verdict.reason, mode);
    if (!verdict.proven) this.#tell(verdict, claim, mode);
    if (verdict.accepted) return;
    const { namespace, storyRun, step } = claim;
    throw new TransportError("PermissionDenied", `identity refused: ${verdict.text}`, { namespace, storyRun, step });
  }

  #failed(error: unknown, claim: Claim, mode: IdentityMode): void {
    this.#count("ReviewFailed", mode);
    const detail = error instanceof Error ? error.message : String(error);
    this.#tell({ reason: "ReviewFailed", text: detail }, claim, mode);
    if (mode !== "enforce") return;
    // whatever our own call failed with, the peer may try again
    const text = isTransportError(error, "Unavailable") ? detail : "the API server does not answer for it";
    throw new TransportError("Unavailable", `the token cannot be reviewed now: ${text}`, {}, { cause: error });
  }

  #count(reason: Reason, mode: IdentityMode): void {
    const { surface } = this.#options;
    const key = `${mode}/${reason}`;
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { surface, mode, reason, count: 1 });
    else entry.count++;
  }

  #tell({ reason, text }: Pick<IdentityVerdict, "text"> & { reason: Reason }, claim: Claim, mode: IdentityMode): void {
    const { surface, clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    const sample = this.#samples.get(reason) ?? { nextMs: 0, omitted: 0 };
    this.#samples.set(reason, sample);
    if (nowMs < sample.nextMs) {
      sample.omitted++;
      return;
    }
    const { action, namespace, storyRun, step, generation } = claim;
    const message = mode === "enforce" ? "identity refused" : "identity not proven";
    const fields = { surface, action, namespace, storyRun, step, generation, reason, detail: text };
    log.warn(message, { ...fields, omitted: sample.omitted });
    sample.nextMs = nowMs + sampleMs;
    sample.omitted = 0;
  }
}

type Reason = IdentityCount["reason"];

/** The token of `authorization`; null without one, `refused` for what is no bearer token. */
function tokenOf(authorization: string | null | undefined): string | "refused" | null {
  const text = authorization?.trim() ?? "";
  if (text === "") return null;
  return /^bearer +(\S+)$/i.exec(text)?.[1] ?? "refused";
}
