/** What a connector's report makes of the status of its TransportBinding (DECISIONS X-10, K-17). Pure. */
import { ConnectorState, type PeerListener } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import type { Condition, JsonObject } from "../contract/resources.ts";
import { type Finding, transition } from "./conditions.ts";
import type { ConnectorReport } from "./connector-report.ts";
import { connectorConditions } from "./decisions.ts";

// The schema of TransportBinding refuses every other name (control-plane R-17, C-053).
const audioNames: ReadonlySet<string> = new Set([
  "pcm16",
  "pcm24",
  "opus",
  "g711-mu",
  "g711-a",
  "g722",
  "aac",
  "mp3",
  "flac",
  "raw",
]);
const videoNames: ReadonlySet<string> = new Set(["h264", "vp8", "vp9", "av1", "raw-yuv420"]);

/**
 * The status fields that the field manager of connectors owns, whole: what is left out here is to be removed. Codecs
 * whose name the schema does not know are left out. `present` false: the connector is gone, and so is its listener.
 * Conditions keep the time at which their status changed, as found in `known`.
 */
export function connectorStatus(
  report: ConnectorReport,
  present: boolean,
  known: readonly Condition[] | undefined,
  now: string,
): JsonObject {
  const { audio, video, binary } = report;
  const findings = [ready(report), ...listening(report, present, known)];
  return {
    ...(audio !== undefined && audioNames.has(audio.name)
      ? {
        negotiatedAudio: {
          name: audio.name,
          ...(audio.sampleRateHz > 0 ? { sampleRateHz: audio.sampleRateHz } : {}),
          ...(audio.channels > 0 ? { channels: audio.channels } : {}),
        },
      }
      : {}),
    ...(video !== undefined && videoNames.has(video.name)
      ? { negotiatedVideo: { name: video.name, ...(video.profile === "" ? {} : { profile: video.profile }) } }
      : {}),
    ...(binary === "" ? {} : { negotiatedBinary: binary }),
    conditions: findings.map((finding) => ({ ...transition(known, finding, now) })),
  };
}

function ready({ state, message }: ConnectorReport): Finding {
  const type = connectorConditions.ready;
  switch (state) {
    case ConnectorState.READY:
      return { type, status: "True", reason: "TransportReady", message: "Connector reported negotiated codecs" };
    case ConnectorState.DRAINING:
      return { type, status: "False", reason: "ConnectorDraining", message: message || "Connector is draining" };
    case ConnectorState.FAILED:
      return { type, status: "False", reason: "ConnectorFailed", message: message || "Connector failed" };
    default:
      return { type, status: "False", reason: "ConnectorStarting", message: message || "Connector is starting" };
  }
}

/** Absent while no listener was ever announced; False once one is withdrawn. */
function listening(report: ConnectorReport, present: boolean, known: readonly Condition[] | undefined): Finding[] {
  const type = connectorConditions.peerListening;
  const listener = listenerOf(report, present);
  if (listener !== null) {
    const message = listener.serverName === "" ? listener.endpoint : `${listener.endpoint} ${listener.serverName}`;
    return [{ type, status: "True", reason: "ListenerAnnounced", message }];
  }
  if (!present) return [{ type, status: "False", reason: "ConnectorGone", message: "Connector ended its watch" }];
  const announced = known?.some((condition) => condition.type === type) ?? false;
  return announced
    ? [{ type, status: "False", reason: "ListenerWithdrawn", message: "Connector has no listener" }]
    : [];
}

/** Where peers reach the connector now; null where they do not. */
export function listenerOf(report: ConnectorReport, present: boolean): PeerListener | null {
  const takesPeers = report.state !== ConnectorState.DRAINING && report.state !== ConnectorState.FAILED;
  return present && takesPeers ? report.listener ?? null : null;
}
