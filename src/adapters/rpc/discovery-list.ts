/** ListBindings: bindings with what is known of their connectors, in pages of a stable order. */
import { Buffer } from "node:buffer";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  type BindingStatusSchema,
  type EdgeCountersSchema,
  EdgeMode,
  type ListBindingsRequest,
  type ListBindingsResponseSchema,
} from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import type { EdgeCount } from "../../contract/traffic.ts";
import { edgeModes } from "../../control/binding-message.ts";
import type { VersionedBinding } from "../../control/versioned-binding.ts";
import type { Discovery } from "./discovery-server.ts";

type Counters = MessageInitShape<typeof EdgeCountersSchema> & { from: string; to: string; mode: EdgeMode };

const defaultPageSize = 100;
const maxPageSize = 1_000;

/**
 * A page in the order of namespace/name. A token names the last binding of its page, so that what appears or goes
 * meanwhile neither repeats nor hides others. Throws `InvalidRequest` for a token that is none.
 */
export async function listBindings(
  discovery: Discovery,
  { selector, pageSize, pageToken }: ListBindingsRequest,
  context: HandlerContext,
): Promise<MessageInitShape<typeof ListBindingsResponseSchema>> {
  const { namespace = "", storyRun = "", step = "" } = selector ?? {};
  const subject = { namespace, storyRun, step };
  await discovery.authorize(context, "read", subject);
  if (!discovery.isSynced) throw new TransportError("Unavailable", "objects are still being listed");
  const after = fromToken(pageToken);
  const size = Math.min(pageSize || defaultPageSize, maxPageSize);
  const rest = [...discovery.snapshot.select([subject])]
    .filter(({ key }) => after === null || key > after)
    .sort((a, b) => a.key < b.key ? -1 : 1);
  const page = rest.slice(0, size);
  return {
    bindings: page.map((binding) => statusOf(discovery, binding)),
    nextPageToken: rest.length > size ? Buffer.from(page.at(-1)!.key).toString("base64url") : "",
  };
}

function fromToken(token: string): string | null {
  if (token === "") return null;
  const key = Buffer.from(token, "base64url").toString();
  if (/^[^/\s]+\/[^/\s]+$/.test(key)) return key;
  throw new TransportError("InvalidRequest", `page_token "${token.slice(0, 100)}" is not one of this service`);
}

function statusOf(
  { reports, traffic, decisions }: Discovery,
  binding: VersionedBinding,
): MessageInitShape<typeof BindingStatusSchema> {
  const { namespace, storyRun, step } = binding;
  const { report, listener, acked, rejection } = reports.facts(binding);
  // The hub knows steps by their ids.
  const aliases = decisions.get(namespace, storyRun)?.plan.aliases;
  const id = aliases?.get(step) ?? step;
  const names = new Map([...aliases ?? []].map(([name, alias]) => [alias, name]));
  const counted = (traffic?.edges(namespace, storyRun) ?? [])
    .filter(({ from, to }) => from === id || to === id)
    .map((edge): Counters => ({
      ...toCounters(edge),
      from: names.get(edge.from) ?? edge.from,
      to: names.get(edge.to) ?? edge.to,
    }));
  return {
    binding: binding.message(),
    ackedVersion: acked,
    rejection: rejection ?? undefined,
    connectorState: report?.state,
    connectorGeneration: report?.generation,
    listener: listener ?? undefined,
    edges: merge(counted, reportedEdges(reports, binding)),
    connected: traffic?.connected(namespace, storyRun, id) ?? false,
  };
}

/** What the connector itself reported, and of edges that it did not, what the connector at the other end did. */
function reportedEdges(reports: Discovery["reports"], binding: VersionedBinding): readonly Counters[] {
  const { namespace, storyRun, step } = binding;
  const own = reports.facts(binding).report?.edges ?? [];
  const known = new Set(own.map(keyOf));
  const message = binding.message();
  const peers = new Set([...message.upstreams, ...message.downstreams].map(({ peer }) => peer?.step ?? ""));
  const theirs = [...peers].flatMap((peer) =>
    (reports.facts({ namespace, storyRun, step: peer }).report?.edges ?? [])
      .filter((edge) => (edge.from === step || edge.to === step) && !known.has(keyOf(edge)))
  );
  return [...own, ...theirs];
}

/** The hub's own count of an edge through it stands against a connector's. */
function merge(counted: readonly Counters[], reported: readonly Counters[]): Counters[] {
  const known = new Set(counted.filter(({ mode }) => mode === EdgeMode.HUB).map(keyOf));
  return [
    ...counted.filter((edge) => edge.mode === EdgeMode.HUB || !reported.some((each) => keyOf(each) === keyOf(edge))),
    ...reported.filter((edge) => !known.has(keyOf(edge))),
  ];
}

function keyOf({ from, to, mode }: { from: string; to: string; mode: EdgeMode }): string {
  return `${from}/${to}/${mode}`;
}

function toCounters({ from, to, mode, dropped, ...counts }: EdgeCount): Counters {
  return {
    from,
    to,
    mode: edgeModes[mode],
    received: BigInt(counts.received),
    receivedBytes: BigInt(counts.receivedBytes),
    delivered: BigInt(counts.delivered),
    deliveredBytes: BigInt(counts.deliveredBytes),
    buffered: BigInt(counts.buffered),
    dropped: Object.fromEntries([...dropped].map(([reason, count]) => [reason, BigInt(count)])),
  };
}
