/** A binding as discovery tells it; apart from `binding.ts`, since a connector without discovery loads none of it. */
import { type Binding, EdgeMode } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { type EffectiveSettings, readSections } from "../contract/effective-settings.ts";
import { TransportError } from "../contract/errors.ts";
import type { JsonObject } from "../contract/resources.ts";
import { checkProtocol, type ConnectorBinding, policyOf } from "./binding.ts";

/** A binding that discovery told. Throws `InvalidSettings` or `ProtocolVersion` for one that cannot be obeyed. */
export function bindingOfDiscovery(binding: Binding): ConnectorBinding {
  checkProtocol(binding.protocolVersion);
  return {
    name: binding.name,
    namespace: binding.namespace,
    version: binding.version,
    driver: binding.driver,
    audioCodecs: binding.audioCodecs,
    videoCodecs: binding.videoCodecs,
    binaryTypes: binding.binaryTypes,
    lanes: binding.lanes.map((lane) => lane.name),
    ...policyOf(settingsOf(binding.effectiveSettings)),
    downstreams: binding.downstreams.map((edge) => ({
      step: edge.to,
      isMeantDirect: edge.published === EdgeMode.P2P,
      peer: edge.effective === EdgeMode.P2P && edge.peer !== undefined && edge.peer.endpoint !== ""
        ? { address: edge.peer.endpoint, serverName: edge.peer.serverName }
        : null,
    })),
    takesPeers: binding.upstreams.some((edge) => edge.published === EdgeMode.P2P),
    hub: binding.hubEndpoint === "" ? null : { address: binding.hubEndpoint, serverName: binding.hubServerName },
    serverName: binding.serverName,
  };
}

function settingsOf(text: string): Partial<EffectiveSettings> {
  if (text === "") return {};
  try {
    return readSections(JSON.parse(text) as JsonObject);
  } catch (cause) {
    throw new TransportError("InvalidSettings", "effective settings are no JSON object", {}, { cause });
  }
}
