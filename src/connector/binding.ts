/**
 * What a connector obeys of its step's binding, from the variable of its environment or from discovery
 * (data-plane 6.3, 6.7; ARCHITECTURE.md 3).
 */
import { decodeBindingEnvelope } from "../contract/binding-info.ts";
import type { EffectiveSettings } from "../contract/effective-settings.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import { protocolVersion } from "../contract/names.ts";
import type { JsonObject } from "../contract/resources.ts";
import { effectiveSettings } from "../contract/settings.ts";
import type { AckPolicy } from "./acks.ts";
import type { Target } from "./driver.ts";

/** A step that follows. */
export interface Downstream {
  readonly step: string;
  /** The published analysis means it to be direct. */
  readonly isMeantDirect: boolean;
  /** Where it is reached directly now; null: through the hub. */
  readonly peer: Target | null;
}

export interface ConnectorBinding {
  readonly name: string;
  readonly namespace: string;
  /** Empty where it came by the environment. */
  readonly version: string;
  readonly driver: string;
  readonly audioCodecs: readonly string[];
  readonly videoCodecs: readonly string[];
  readonly binaryTypes: readonly string[];
  readonly lanes: readonly string[];
  readonly acks: AckPolicy;
  /** Nothing may be dropped. */
  readonly isReliable: boolean;
  /** Null: what follows is not known, everything goes to the hub. */
  readonly downstreams: readonly Downstream[] | null;
  /** Some step is meant to send to this one directly. */
  readonly takesPeers: boolean;
  /** Null: the environment says. */
  readonly hub: Target | null;
  /** TLS name under which peers reach this step; empty in cleartext. */
  readonly serverName: string;
}

/**
 * The binding of `BUBU_TRANSPORT_BINDING`. Throws `InvalidBinding` or `ProtocolVersion`. Settings that cannot be obeyed
 * go to `refused`, and none hold: whoever wrote the binding has run with them so far.
 */
export function bindingOfEnvironment(
  text: string,
  namespace: string,
  refused: (error: TransportError) => void,
): ConnectorBinding {
  const { name, namespace: own, info } = decodeBindingEnvelope(text);
  checkProtocol(info.protocolVersion);
  return {
    name,
    namespace: own || namespace,
    version: "",
    driver: info.driver,
    audioCodecs: info.audioCodecs,
    videoCodecs: info.videoCodecs,
    binaryTypes: info.binaryTypes,
    lanes: [],
    ...policyOf(settingsOfPayload(info.payload, refused)),
    downstreams: null,
    takesPeers: false,
    hub: null,
    serverName: "",
  };
}

/** `required` where a codec or MIME type is named: what the hub is told (data-plane 6.8). */
export function capabilitiesMode(binding: ConnectorBinding): "required" | "none" {
  const { audioCodecs, videoCodecs, binaryTypes } = binding;
  return audioCodecs.length + videoCodecs.length + binaryTypes.length > 0 ? "required" : "none";
}

// Aliases of the one uncompressed audio codec (data-plane 6.3).
const pcm16Names = new Set(["pcm", "pcm-16", "pcm16le", "wave", "wav", "audio/wav"]);

/** The negotiated capabilities: the first of each kind, as the SDK is told (data-plane 6.4, 6.9). */
export function capabilitiesOf(binding: ConnectorBinding): Readonly<Record<string, string>> {
  const [audio] = binding.audioCodecs;
  const [video] = binding.videoCodecs;
  const [mime] = binding.binaryTypes;
  return {
    ...(audio === undefined ? {} : { "audio.codec": pcm16Names.has(audio.toLowerCase()) ? "pcm16" : audio }),
    ...(video === undefined ? {} : { "video.codec": video }),
    ...(mime === undefined ? {} : { "binary.mime": mime }),
  };
}

/** Throws `ProtocolVersion` for another one than ours. */
export function checkProtocol(version: string): void {
  const given = version.trim();
  if (given === protocolVersion) return;
  const text = given === ""
    ? "missing transport protocol version"
    : `unsupported transport protocol version ${JSON.stringify(given)} (expected ${protocolVersion})`;
  throw new TransportError("ProtocolVersion", text);
}

function settingsOfPayload(
  payload: Uint8Array,
  refused: (error: TransportError) => void,
): Partial<EffectiveSettings> {
  const raw = new TextDecoder().decode(payload);
  if (raw.trim() === "") return {};
  try {
    return effectiveSettings({ settings: JSON.parse(raw) as JsonObject }, {});
  } catch (cause) {
    refused(
      isTransportError(cause)
        ? cause
        : new TransportError("InvalidSettings", "settings of the binding are no JSON object", {}, { cause }),
    );
    return {};
  }
}

/** Without a limit of their own, acknowledgements wait this long at most. */
const defaultDelayMs = 1_000;

/** What of settings a connector obeys. */
export function policyOf(
  { flowControl, delivery }: Partial<Pick<EffectiveSettings, "flowControl" | "delivery">>,
): Pick<ConnectorBinding, "acks" | "isReliable"> {
  const every = flowControl?.ackEvery;
  return {
    acks: {
      ordering: delivery?.ordering ?? "none",
      grantsCredits: flowControl?.mode === "credits",
      messages: every?.messages ?? (every?.bytes === undefined ? 1 : 0),
      bytes: every?.bytes ?? 0,
      maxDelayMs: every?.maxDelayMs ?? defaultDelayMs,
    },
    isReliable: delivery?.semantics === "at_least_once",
  };
}
