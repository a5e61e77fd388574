/** The envelope of `BUBU_TRANSPORT_BINDING`: a binding as one JSON text (control-plane 6.1). */
import { create } from "@bufbuild/protobuf";
import { type BindingInfo, BindingInfoSchema } from "../../gen/transport/v1/transport_pb.ts";
import { writeBase64 } from "./base64.ts";
import { environmentOf } from "./binding-env.ts";
import { TransportError } from "./errors.ts";
import { trimSpace } from "./go-text.ts";
import { foldKey } from "./settings-schema.ts";
import { parseJson, utf8Bytes, utf8Text } from "./json-text.ts";
import type { JsonNode } from "./json-text.ts";
import { quoteJson, writeJson } from "./json-write.ts";
import { protocolVersion } from "./names.ts";
import { readProtoJsonNode } from "./proto-json.ts";
import type { JsonValue, TransportBinding } from "./resources.ts";

/** Longest envelope that a reader accepts, in bytes after trimming (E-04). */
export const maxEnvelopeTextBytes = 1_048_576;

/** What of a TransportBinding its envelope carries. */
export interface EnvelopeSource {
  readonly metadata: { readonly name?: string; readonly namespace?: string };
  readonly spec: Pick<TransportBinding["spec"], "transportRef" | "driver"> & Partial<TransportBinding["spec"]>;
  readonly status?: { readonly endpoint?: string };
}

/**
 * BindingInfo of a binding: texts trimmed, blank names dropped, `connectorEndpoint` before `status.endpoint` (E-01).
 * `rawSettingsText` are the settings' own bytes; without them `spec.rawSettings` is written as B-22 does.
 */
export function bindingInfoOf({ spec, status }: EnvelopeSource, rawSettingsText?: string): BindingInfo {
  return create(BindingInfoSchema, {
    transportRef: trimSpace(spec.transportRef ?? ""),
    driver: trimSpace(spec.driver ?? ""),
    endpoint: trimSpace(spec.connectorEndpoint ?? "") || trimSpace(status?.endpoint ?? ""),
    audioCodecs: filled(spec.audio?.codecs?.map((codec) => codec.name)),
    videoCodecs: filled(spec.video?.codecs?.map((codec) => codec.name)),
    payload: utf8Bytes(rawSettingsText ?? writeSettings(spec.rawSettings)),
    binaryTypes: filled(spec.binary?.mimeTypes),
    protocolVersion,
  });
}

function filled(names: readonly string[] | undefined): string[] {
  return names?.map(trimSpace).filter((name) => name !== "") ?? [];
}

function writeSettings(settings: JsonValue | undefined): string {
  return settings === undefined || settings === null ? "" : writeJson(settings);
}

/**
 * The envelope of a binding: the same binding always gives the same bytes, because a difference would roll its pods
 * (E-02, E-03). Throws `InvalidBinding` for a binding without a name.
 */
export function encodeBindingEnvelope(binding: EnvelopeSource, rawSettingsText?: string): string {
  const { name = "", namespace = "" } = binding.metadata;
  if (trimSpace(name) === "") throw new TransportError("InvalidBinding", "binding name is required");
  const info = bindingInfoOf(binding, rawSettingsText);
  const members = [
    text("transportRef", info.transportRef),
    text("driver", info.driver),
    text("endpoint", info.endpoint),
    texts("audioCodecs", info.audioCodecs),
    texts("videoCodecs", info.videoCodecs),
    text("payload", writeBase64(info.payload)),
    texts("binaryTypes", info.binaryTypes),
    text("protocolVersion", info.protocolVersion),
  ];
  const outer = [`"name":${quoteJson(name)}`, text("namespace", namespace), `"binding":{${join(members)}}`];
  return `{${join(outer)}}`;
}

function text(name: string, value: string): string {
  return value === "" ? "" : `"${name}":${quoteJson(value)}`;
}

function texts(name: string, values: readonly string[]): string {
  return values.length === 0 ? "" : `"${name}":[${values.map(quoteJson).join(",")}]`;
}

function join(members: readonly string[]): string {
  return members.filter((member) => member !== "").join(",");
}

/** A decoded envelope. */
export interface DecodedBinding {
  readonly name: string;
  /** Empty where the envelope has none: the reader's own namespace counts. */
  readonly namespace: string;
  readonly info: BindingInfo;
  /** Environment overrides of the settings, rendered as text (E-20, E-21); undefined where there are none. */
  readonly env: Readonly<Record<string, string>> | undefined;
}

/** Why a text is no envelope. */
export type EnvelopeFault =
  | "empty"
  | "tooLarge"
  | "notAnEnvelope"
  | "envelopeJson"
  | "nameMissing"
  | "bindingMissing"
  | "bindingInfoJson";

/** Reads an envelope. Throws `InvalidBinding` with one sentence for each way to be wrong (E-04). */
export function decodeBindingEnvelope(value: string): DecodedBinding {
  const read = readBindingEnvelope(value);
  if ("fault" in read) throw new TransportError("InvalidBinding", read.message);
  return read;
}

/** As `decodeBindingEnvelope`, with the fault as a value. The protocol version is not judged (`protocolFault`). */
export function readBindingEnvelope(
  value: string,
): DecodedBinding | { readonly fault: EnvelopeFault; readonly message: string } {
  const refuse = (fault: EnvelopeFault, message: string) => ({ fault, message });
  const trimmed = trimSpace(value);
  if (trimmed === "") return refuse("empty", "binding payload empty");
  const bytes = utf8Bytes(trimmed);
  if (bytes.length > maxEnvelopeTextBytes) {
    return refuse("tooLarge", `binding payload exceeds max size of ${maxEnvelopeTextBytes} bytes`);
  }
  if (!trimmed.startsWith("{")) return refuse("notAnEnvelope", "binding payload must be a JSON envelope");
  const parsed = parseJson(bytes);
  if ("fault" in parsed) return refuse("envelopeJson", `unmarshal binding envelope: ${parsed.fault}`);
  const outer = { name: "", namespace: "", binding: undefined as JsonNode | undefined };
  for (const member of parsed.node.kind === "object" ? parsed.node.members : []) {
    const key = foldKey(member.name);
    if (key === "binding") outer.binding = member.value;
    if (key !== "name" && key !== "namespace") continue;
    const { value: node } = member;
    if (node.kind === "string") outer[key] = node.text;
    else if (node.kind !== "null") {
      const field = `Go struct field bindingEnvelope.${key} of type string`;
      return refuse("envelopeJson", `unmarshal binding envelope: json: cannot unmarshal ${node.kind} into ${field}`);
    }
  }
  const name = trimSpace(outer.name);
  if (name === "") return refuse("nameMissing", "binding envelope name is required");
  if (outer.binding === undefined) return refuse("bindingMissing", "binding envelope binding payload is required");
  const { start, end } = outer.binding;
  const info = readProtoJsonNode(BindingInfoSchema, outer.binding, bytes);
  if ("fault" in info) {
    const shown = utf8Text(bytes.subarray(start, Math.min(end, start + 80)));
    return refuse("bindingInfoJson", `binding envelope binding ${shown}: ${info.fault}`);
  }
  const { message } = info;
  return { name, namespace: trimSpace(outer.namespace), info: message, env: environmentOf(utf8Text(message.payload)) };
}

/** `namespace/name` of an envelope, `name` without a namespace, empty for a text that is none (N-19). */
export function bindingAnnotation(value: string): string {
  const parsed = parseJson(trimSpace(value));
  if ("fault" in parsed || parsed.node.kind !== "object") return "";
  const outer = { name: "", namespace: "" };
  for (const { name, value: node } of parsed.node.members) {
    const key = foldKey(name);
    if (key !== "name" && key !== "namespace") continue;
    if (node.kind === "string") outer[key] = node.text;
    else if (node.kind !== "null") return "";
  }
  const name = trimSpace(outer.name);
  const namespace = trimSpace(outer.namespace);
  return name === "" || namespace === "" ? name : `${namespace}/${name}`;
}
