/** A binding's description as the message of the discovery API. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type BindingSchema, BindingState, EdgeMode } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import type { BindingDescription, BindingEdge, BindingState as State } from "../topology/binding.ts";
import type { EdgeDecision } from "../topology/decide.ts";

const states = {
  Pending: BindingState.PENDING,
  HubStarting: BindingState.HUB_STARTING,
  Ready: BindingState.READY,
  Failed: BindingState.FAILED,
} as const satisfies Record<State, BindingState>;

/** The way of an edge or step, as the API writes it. */
export const edgeModes = { hub: EdgeMode.HUB, p2p: EdgeMode.P2P } as const satisfies Record<
  EdgeDecision["published"],
  EdgeMode
>;

/** The fields of the message but its version. */
export function bindingFields(description: BindingDescription): MessageInitShape<typeof BindingSchema> {
  return {
    name: description.name,
    namespace: description.namespace,
    storyRun: description.storyRun,
    story: description.story,
    step: description.step,
    engram: description.engram,
    generation: description.generation,
    storyGeneration: BigInt(description.storyGeneration),
    state: states[description.state],
    reason: description.reason,
    message: description.message,
    transportRef: description.transportRef,
    driver: description.driver,
    upstreams: description.upstreams.map(toPeerEdge),
    downstreams: description.downstreams.map(toPeerEdge),
    hubEndpoint: description.hubEndpoint,
    hubServerName: description.hubServerName,
    connectorEndpoint: description.connectorEndpoint,
    serverName: description.serverName,
    mergedSettings: description.mergedSettings,
    effectiveSettings: description.effectiveSettings,
    audioCodecs: [...description.audioCodecs],
    videoCodecs: [...description.videoCodecs],
    binaryTypes: [...description.binaryTypes],
    lanes: [...description.lanes],
    protocolVersion: description.protocolVersion,
    transportBinding: description.transportBinding,
  };
}

/** The fields of an edge message, without its peer. */
export function toEdge({ from, to, published, effective, reason, rule, cost }: EdgeDecision) {
  return { from, to, published: edgeModes[published], effective: edgeModes[effective], reason, rule, cost };
}

function toPeerEdge(edge: BindingEdge) {
  return { ...toEdge(edge), peer: edge.peer };
}
