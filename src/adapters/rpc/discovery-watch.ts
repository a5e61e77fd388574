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
import { checkedSelectors } from "../../control/selectors.ts";
import type { VersionedBinding } from "../../control/versioned-binding.ts";
import { Subscription } from "../../control/subscriptions.ts";
import type { Discovery } from "./discovery-server.ts";
import { Wake } from "./wake.ts";
import { WatchSession } from "./watch-session.ts";

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
  const session = new WatchSession(discovery, context, () => wake.ring());
  const toMessage = encoderOf(WatchBindingsResponseSchema, context);
  let isEnded = false;
  let failure: { readonly error: unknown } | null = null;
  const read = async () => {
    try {
      for await (const request of requests) {
        await session.take(request);
        wake.ring();
      }
    } catch (error) {
      failure = { error };
    }
    isEnded = true;
    wake.ring();
  };
  // Never rejects: its failure ends the loop below.
  void read();
  const thrown = () => failure;
  try {
    for (;;) {
      const failed = thrown();
      if (failed !== null) throw failed.error;
      const delta = isEnded ? session.nextUnasked() : session.next();
      if (delta !== null) yield toMessage(delta.bindings, delta);
      else if (isEnded) return;
      else await wake.wait();
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
