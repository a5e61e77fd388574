/** Reviews of ServiceAccount tokens, asked once for each token and remembered for a while. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { TransportError } from "../../contract/errors.ts";
import type { TokenProof } from "../../contract/identity.ts";
import type { Clock } from "../../contract/runtime.ts";

/** Asks who a token is. */
export interface TokenReviewer {
  /** What a token proves; `refused` for one that is not valid. Rejects where nobody can say now. */
  review(token: string, signal: AbortSignal): Promise<TokenProof | "refused">;
}

export interface RememberOptions {
  readonly reviewer: TokenReviewer;
  readonly clock: Clock;
  /** How long a proof holds, at most until its token expires. Default 60 s. */
  readonly provenMs?: number;
  /** How long a refusal holds. Default 5 s. */
  readonly refusedMs?: number;
  /** Tokens that are remembered at once; the oldest goes first. Default 4096. */
  readonly maxTokens?: number;
  /** Reviews that are under way at once, above which a review is `Unavailable`. Default 1024. */
  readonly maxReviews?: number;
  /** How long one review may take. Default 5 s. */
  readonly limitMs?: number;
}

/** Larger ones are not asked about; a projected token has about 1 KiB. */
const maxTokenBytes = 16 * 1024;
const form = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

type Answer = TokenProof | "refused";

/** Remembers what a reviewer said. Tokens are kept as digests. */
export class RememberedReviews {
  readonly #options: Required<RememberOptions>;
  readonly #known = new Map<string, { readonly answer: Answer; readonly untilMs: number }>();
  readonly #pending = new Map<string, Promise<Answer>>();

  constructor(options: RememberOptions) {
    const defaults = { provenMs: 60_000, refusedMs: 5_000, maxTokens: 4096, maxReviews: 1024, limitMs: 5_000 };
    this.#options = { ...defaults, ...options };
  }

  /** The answer, at once where it is known; rejects where nobody can say now. */
  review(token: string): Answer | Promise<Answer> {
    if (token.length > maxTokenBytes || !form.test(token)) return "refused";
    const key = createHash("sha256").update(token).digest("base64");
    const before = this.#known.get(key);
    if (before !== undefined) {
      if (this.#options.clock.monotonicMs() < before.untilMs) return before.answer;
      this.#known.delete(key);
    }
    const underWay = this.#pending.get(key);
    if (underWay !== undefined) return underWay;
    const { maxReviews } = this.#options;
    if (this.#pending.size >= maxReviews) {
      const text = `${maxReviews} of ${maxReviews} token reviews are under way`;
      return Promise.reject(new TransportError("Unavailable", text));
    }
    const asked = this.#ask(key, token).finally(() => this.#pending.delete(key));
    this.#pending.set(key, asked);
    return asked;
  }

  async #ask(key: string, token: string): Promise<Answer> {
    const { reviewer, clock, provenMs, refusedMs, maxTokens, limitMs } = this.#options;
    const answer = await reviewer.review(token, AbortSignal.timeout(limitMs));
    const leftMs = expiryMs(token) - clock.nowMs();
    const holdsMs = answer === "refused" ? refusedMs : Math.min(provenMs, leftMs);
    if (holdsMs > 0) {
      this.#known.set(key, { answer, untilMs: clock.monotonicMs() + holdsMs });
      if (this.#known.size > maxTokens) this.#known.delete(this.#known.keys().next().value!);
    }
    return answer;
  }
}

/** When the token says that it expires; Infinity where it does not say. Only believed of a token that was accepted. */
function expiryMs(token: string): number {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());
    const { exp } = claims as { readonly exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : Infinity;
  } catch {
    return Infinity; // then the reviewer's word holds for as long as any
  }
}
