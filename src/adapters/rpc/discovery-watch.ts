/** WatchBindings and FollowBindings: a snapshot, then changes and removals only. */
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { HandlerContext } from "@connectrpc/connect";
import {
  type FollowBindingsRequest,
  type FollowBindingsResponse,
  FollowBindingsResponseSchema,
  type WatchBindingsRequest,
  type WatchBindingsResponse,
  WatchBindingsResponseSchema,
} from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import { type BindingSelector, checkedSelectors } from "../../control/selectors.ts";
import type { VersionedBinding, Watch } from "../../control/snapshot.ts";
import { Subscription, type Verdict } from "../../control/subscriptions.ts";
import type { Discovery } from "./discovery-server.ts";
import { Wake } from "./wake.ts";

/**
 * Serves one watch until the client ends it or the service closes. A client that only half-closes gets what is due
 * to it, without acknowledgements, and then the end.
 */
export async function* watchBindings(
  discovery: Discovery,
  requests: AsyncIterable<WatchBindingsRequest>,
  context: HandlerContext,
): AsyncGenerator<WatchBindingsResponse> {
  using wake = new Wake(context.signal, discovery.closing);
  const session = new WatchSession(discovery, context, wake);
  const toMessage = encoderOf(WatchBindingsResponseSchema, context);
  // Never rejects: its failure ends the loop below.
  void session.read(requests);
  try {
    for (;;) {
      if (session.failure !== null) throw session.failure.error;
      const delta = session.subscription.next();
      if (delta !== null) yield toMessage(delta.bindings, delta);
      else if (!session.isEnded) await wake.wait();
      else if (session.subscription.waiting) session.subscription.acceptAll();
      else return;
    }
  } finally {
    session.close();
  }
}

/** Like a watch whose client accepts everything. */
export async function* followBindings(
  discovery: Discovery,
  { selectors: wanted }: FollowBindingsRequest,
  context: HandlerContext,
): AsyncGenerator<FollowBindingsResponse> {
  using wake = new Wake(context.signal, discovery.closing);
  const selectors = checkedSelectors(wanted);
  for (const selector of selectors) await discovery.authorize(context, "read", selector);
  await whenSynced(discovery, wake);
  const subscription = new Subscription(discovery.snapshot);
  const toMessage = encoderOf(FollowBindingsResponseSchema, context);
  const watch = discovery.snapshot.watch(selectors, (keys) => {
    for (const key of keys) subscription.touch(key);
    wake.ring();
  });
  try {
    subscription.subscribe(selectors, {});
    for (;;) {
      const delta = subscription.next();
      if (delta === null) {
        await wake.wait();
        continue;
      }
      const { snapshot, bindings, removed } = delta;
      yield toMessage(bindings, { snapshot, removed });
      subscription.acceptAll();
    }
  } finally {
    watch.stop();
  }
}

/** What the requests of one watch have led to. */
class WatchSession {
  readonly subscription: Subscription<VersionedBinding>;
  /** What ends the watch, once a request was not acceptable. */
  failure: { readonly error: unknown } | null = null;
  /** True after the client's last request. */
  isEnded = false;
  readonly #discovery: Discovery;
  readonly #context: HandlerContext;
  readonly #wake: Wake;
  #watch: Watch | null = null;
  #isClosed = false;
  // A watch that names one step is its connector's; with it, the connector counts as alive (DECISIONS K-12).
  #connectors = new Map<string, () => void>();

  constructor(discovery: Discovery, context: HandlerContext, wake: Wake) {
    this.#discovery = discovery;
    this.#context = context;
    this.#wake = wake;
    this.subscription = new Subscription(discovery.snapshot);
  }

  async read(requests: AsyncIterable<WatchBindingsRequest>): Promise<void> {
    try {
      for await (const { message } of requests) {
        if (message.case === "subscribe") {
          await this.#subscribe(message.value.selectors, message.value.heldVersions);
        } else if (this.#watch === null) {
          throw new TransportError("InvalidRequest", "the first message of a watch must be subscribe");
        } else if (message.case === "ack") {
          this.#record(this.subscription.ack(message.value.nonce));
        } else if (message.case === "nack") {
          this.#record(this.subscription.nack(message.value.nonce, message.value.rejections));
        } else {
          throw new TransportError("InvalidRequest", "a message is none of subscribe, ack, nack");
        }
        this.#wake.ring();
      }
    } catch (error) {
      this.failure = { error };
    }
    this.isEnded = true;
    this.#wake.ring();
  }

  close(): void {
    this.#isClosed = true;
    this.#watch?.stop();
    for (const end of this.#connectors.values()) end();
  }

  async #subscribe(wanted: readonly BindingSelector[], held: Readonly<Record<string, string>>): Promise<void> {
    const discovery = this.#discovery;
    const selectors = checkedSelectors(wanted);
    for (const selector of selectors) await discovery.authorize(this.#context, "read", selector);
    // Before, everything that is only late would be told as removed.
    if (!discovery.isSynced) {
      using wake = new Wake(this.#context.signal, discovery.closing);
      await whenSynced(discovery, wake);
    }
    if (this.#isClosed) return;
    if (this.#watch === null) {
      this.#watch = discovery.snapshot.watch(selectors, (keys) => {
        for (const key of keys) this.subscription.touch(key);
        this.#wake.ring();
      });
    } else {
      this.#watch.select(selectors);
    }
    this.#record(this.subscription.subscribe(selectors, held));
    const before = this.#connectors;
    this.#connectors = new Map();
    for (const selector of selectors) {
      const { namespace, storyRun, step } = selector;
      if (namespace === "" || storyRun === "" || step === "") continue;
      const key = `${namespace}/${storyRun}/${step}`;
      if (!this.#connectors.has(key)) this.#connectors.set(key, discovery.reports.watched(selector));
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

async function whenSynced(discovery: Discovery, wake: Wake): Promise<void> {
  discovery.synced.then(() => wake.ring(), () => {});
  while (!discovery.isSynced) await wake.wait();
}

/**
 * Makes responses whose bindings were encoded before, once for all who get them: the binary codec writes fields that
 * it does not know as they are, and so takes the bytes without reading them. JSON needs real messages.
 */
function encoderOf<D extends typeof WatchBindingsResponseSchema | typeof FollowBindingsResponseSchema>(
  schema: D,
  { requestHeader }: HandlerContext,
) {
  const { number } = schema.field.bindings;
  const isJson = requestHeader.get("content-type")?.includes("json") ?? false;
  return (
    bindings: readonly VersionedBinding[],
    { nonce, snapshot, removed }: { nonce?: string; snapshot: boolean; removed: readonly string[] },
  ): MessageShape<D> => {
    const message = create(schema as DescMessage, {
      ...(nonce === undefined ? {} : { nonce }),
      snapshot,
      removed: [...removed],
      bindings: isJson ? bindings.map((binding) => binding.message()) : [],
    });
    if (!isJson) {
      message.$unknown = bindings.map(({ field }) => ({ no: number, wireType: WireType.LengthDelimited, data: field }));
    }
    // The shape of `schema`, which the compiler cannot follow through the union.
    return message as MessageShape<D>;
  };
}
