/** ExplainTopology: decides a Story that is sent along, and says why. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ExplainTopologyRequest,
  type ExplainTopologyResponseSchema,
} from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import { type Fault, parseResource } from "../../contract/parse-resources.ts";
import type { JsonObject, Resources } from "../../contract/resources.ts";
import { edgeModes, toEdge } from "../../control/binding-message.ts";
import { refusals } from "../../routing/compile.ts";
import { decide, type TopologyInput } from "../../topology/decide.ts";

/**
 * Every decision on the Story with its rule, what may surprise, and why it would be refused. Needs nothing of the
 * world: a Transport or Engram that is not sent along is assumed. Throws `BadManifest` that names every fault of the
 * objects, each with its path.
 */
export function explainTopology(
  request: ExplainTopologyRequest,
): MessageInitShape<typeof ExplainTopologyResponseSchema> {
  if (request.story === undefined) throw new TransportError("InvalidRequest", "story is missing");
  const faults: string[] = [];
  const story = parse("Story", "story", request.story, faults);
  const transports = new Map<string, Resources["Transport"]>();
  for (const [index, object] of request.transports.entries()) {
    const transport = parse("Transport", `transports[${index}]`, object, faults);
    if (transport !== null) transports.set(transport.metadata.name, transport);
  }
  const engrams = new Map<string, Resources["Engram"]>();
  for (const [index, object] of request.engrams.entries()) {
    const engram = parse("Engram", `engrams[${index}]`, object, faults);
    if (engram !== null) engrams.set(keyOf(engram.metadata), engram);
  }
  if (story === null || faults.length > 0) throw new TransportError("BadManifest", faults.join("; "));
  const namespace = story.metadata.namespace || "default";
  const input: TopologyInput = {
    story,
    storyRun: request.storyRun || story.metadata.name,
    namespace,
    transport: (name) => transports.get(name) ?? assumedTransport(name),
    engram: (ref) => engrams.get(keyOf(ref)) ?? assumedEngram(ref.name, ref.namespace || namespace),
  };
  const topology = decide(input);
  return {
    steps: topology.steps.map(({ step, published, effective, reason, rule, message, downstreams, binding }) => ({
      step,
      published: edgeModes[published],
      effective: edgeModes[effective],
      reason,
      rule,
      message,
      downstreams: [...downstreams],
      binding,
    })),
    edges: topology.edges.map(toEdge),
    warnings: [...topology.warnings],
    faults: refusals(input, topology).map(({ reason, message, subject: { path } }) =>
      `${reason}: ${path === undefined || message.includes(path) ? "" : `${path}: `}${message}`
    ),
  };

  function keyOf(named: { readonly name: string; readonly namespace?: string }): string {
    return `${named.namespace || story?.metadata.namespace || "default"}/${named.name}`;
  }
}

function parse<K extends keyof Resources>(
  kind: K,
  at: string,
  object: JsonObject,
  faults: string[],
): Resources[K] | null {
  const { resource, faults: found } = parseResource(object);
  for (const { path, message } of found) faults.push(`${[at, ...path].map(pathPart).join("")}: ${message}`);
  if (found.length > 0) return null;
  // A resource whose kind is `kind` has the shape of that kind.
  if (resource?.kind === kind) return resource as Resources[K];
  faults.push(`${at}: kind is ${JSON.stringify(object.kind ?? null)}, not "${kind}"`);
  return null;
}

function pathPart(part: Fault["path"][number], index: number): string {
  if (typeof part === "number") return `[${part}]`;
  return index === 0 ? part : `.${part}`;
}

function assumedTransport(name: string): Resources["Transport"] {
  return { kind: "Transport", metadata: { name }, spec: { provider: "assumed", driver: "bobravoz-grpc" } };
}

function assumedEngram(name: string, namespace: string): Resources["Engram"] {
  return {
    kind: "Engram",
    metadata: { name, namespace },
    spec: { templateRef: { name: "assumed" }, mode: "deployment" },
  };
}
