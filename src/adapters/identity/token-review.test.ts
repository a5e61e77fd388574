import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { TokenProof } from "../../contract/identity.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { RememberedReviews, type RememberOptions } from "./token-review.ts";

const test = suite("token reviews");

const proof: TokenProof = { namespace: "demo", serviceAccount: "run-engram-runner", pod: null };

/** A token with this payload; the reviewer of `remembered` accepts those that begin with `good`. */
function token(name: string, claims: object = {}): string {
  return `${name}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
}

function remembered(options: Partial<RememberOptions> = {}) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const reviews = new RememberedReviews({
    reviewer: {
      review(text) {
        asked.push(text);
        return Promise.resolve(text.startsWith("good") ? proof : "refused");
      },
    },
    clock,
    ...options,
  });
  return { clock, asked, reviews };
}

test("a token is asked about once, and again when what was said has aged", async () => {
  const { clock, asked, reviews } = remembered();
  const good = token("good");
  assert.equal(await Promise.all([reviews.review(good), reviews.review(good)]), [proof, proof]);
  assert.is(reviews.review(good), proof, "known at once");
  clock.step(59_999);
  assert.is(reviews.review(good), proof);
  assert.is(asked.length, 1);
  clock.step(1);
  assert.equal(await reviews.review(good), proof);
  assert.is(asked.length, 2);
});

test("nothing is believed beyond the token's own end", async () => {
  const { clock, asked, reviews } = remembered();
  const short = token("good", { exp: Math.floor(clock.nowMs() / 1000) + 10 });
  await reviews.review(short);
  clock.step(9_000);
  reviews.review(short);
  assert.is(asked.length, 1);
  clock.step(2_000);
  await reviews.review(short);
  await reviews.review(short);
  assert.is(asked.length, 3, "and one that has ended is not remembered at all");
});

test("a refusal is remembered for a short time, and a failure not at all", async () => {
  const { clock, asked, reviews } = remembered();
  await reviews.review(token("bad"));
  clock.step(4_999);
  assert.is(reviews.review(token("bad")), "refused");
  clock.step(1);
  await reviews.review(token("bad"));
  assert.is(asked.length, 2);
  let failures = 0;
  const broken = remembered({ reviewer: { review: () => Promise.reject(new Error(`failure ${++failures}`)) } }).reviews;
  for (let n = 0; n < 2; n++) await Promise.resolve(broken.review(token("good"))).catch(() => {});
  assert.is(failures, 2);
});

test("what does not look like a token is refused without a question", () => {
  const { asked, reviews } = remembered();
  for (const text of ["", "x", "a.b", "a.b.c.d", "a b.c.d", "a.b.c\n", `a.${"b".repeat(16 * 1024)}.c`]) {
    assert.is(reviews.review(text), "refused", JSON.stringify(text.slice(0, 20)));
  }
  assert.is(asked.length, 0);
});

test("memory and questions under way are bounded", async () => {
  const { asked, reviews } = remembered({ maxTokens: 2 });
  for (const name of ["good1", "good2", "good3", "good1", "good3"]) await reviews.review(token(name));
  assert.equal(asked.map((text) => text.slice(0, 5)), ["good1", "good2", "good3", "good1"]);
  const never = remembered({ maxReviews: 1, reviewer: { review: () => new Promise(() => {}) } }).reviews;
  void never.review(token("good"));
  const refused = await Promise.resolve(never.review(token("other"))).catch((error: unknown) => error);
  assert.match(String(refused), "1 of 1 token reviews are under way");
});

test.run();
