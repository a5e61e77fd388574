/** Admission of a Transport, in the words of the existing webhook (control-plane B-07, B-08). */
import { lowerCase, trimSpace } from "./go-text.ts";
import type { JsonObject, JsonValue } from "./resources.ts";
import { type FieldFault, securityFaults } from "./security-rule.ts";
import { streamingFaults } from "./settings-faults.ts";
import { refuse, type WrittenFault } from "./settings-merge.ts";
import { decodeStreaming, isInt32, isJsonArray, isJsonObject, type TypeFault } from "./settings-schema.ts";

export type TransportReason =
  | "DriverMissing"
  | "CapabilitiesMissing"
  | "CodecInvalid"
  | "CodecDuplicate"
  | "MimeTypeInvalid"
  | "ValidationFailed";

/** A Transport's faults; the reason is that of the first one, empty for a valid Transport. */
export interface TransportValidation {
  readonly reason: TransportReason | "";
  readonly errors: readonly FieldFault[];
}

interface Found extends FieldFault {
  readonly reason: TransportReason;
}

/** Checks a Transport's spec. Throws `InvalidSettings` where a value has not the type that the schema gives it. */
export function validateTransport(spec: JsonObject): TransportValidation {
  const wrong: WrittenFault[] = [];
  const audio = objectsAt(spec, "supportedAudio", wrong);
  const video = objectsAt(spec, "supportedVideo", wrong);
  const binary = listAt(spec, "supportedBinary", wrong).map((type) => typeof type === "string" ? type : "");
  const typeFaults: TypeFault[] = [];
  const streaming = decodeStreaming(spec["streaming"], typeFaults);
  const place = (path: string): string => path === "" ? "spec.streaming" : `spec.streaming.${path}`;
  wrong.push(...typeFaults.map(({ path, message }) => ({ path: place(path), message })));
  refuse(wrong);
  const found = [
    ...driverFaults(spec["driver"]),
    ...(audio.length + video.length + binary.length > 0 ? [] : [noCapability]),
    ...codecFaults(audio, "spec.supportedAudio"),
    ...codecFaults(video, "spec.supportedVideo"),
    ...binaryFaults(binary),
    ...streamingFaults(streaming).map(({ path, type, detail }): Found => ({
      reason: "ValidationFailed",
      field: `spec.streaming.${path}`,
      type,
      detail,
    })),
    ...securityFaults(spec["defaultSettings"], "spec.defaultSettings").map((fault): Found => ({
      reason: "ValidationFailed",
      ...fault,
    })),
  ];
  return {
    reason: found[0]?.reason ?? "",
    errors: found.map(({ field, type, detail }) => ({ field, type, detail })),
  };
}

const noCapability: Found = {
  reason: "CapabilitiesMissing",
  field: "spec",
  type: "FieldValueInvalid",
  detail: "at least one capability (audio, video, or binary) must be declared",
};

function listAt(spec: JsonObject, name: string, wrong: WrittenFault[]): readonly JsonValue[] {
  const list = spec[name];
  if (list === undefined || list === null) return [];
  if (isJsonArray(list)) return list;
  wrong.push({ path: `spec.${name}`, message: "must be a list" });
  return [];
}

function objectsAt(spec: JsonObject, name: string, wrong: WrittenFault[]): readonly JsonObject[] {
  return listAt(spec, name, wrong).map((item, i) => {
    if (isJsonObject(item)) {
      for (const [field, check] of Object.entries(codecFields)) {
        const value = item[field] ?? null;
        if (value !== null && !check(value)) {
          wrong.push({ path: `spec.${name}[${i}].${field}`, message: "has a value of another type" });
        }
      }
      return item;
    }
    if (item !== null) wrong.push({ path: `spec.${name}[${i}]`, message: "must be an object" });
    return {};
  });
}

const codecFields: Readonly<Record<string, (value: JsonValue) => boolean>> = {
  name: isText,
  profile: isText,
  sampleRateHz: isInt32,
  channels: isInt32,
};

function isText(value: JsonValue): boolean {
  return typeof value === "string";
}

function driverFaults(driver: JsonValue | undefined): readonly Found[] {
  if (typeof driver === "string" && trimSpace(driver) !== "") return [];
  const detail = "driver must be specified";
  return [{ reason: "DriverMissing", field: "spec.driver", type: "FieldValueRequired", detail }];
}

/** Names are compared trimmed and without case; rate, channels and profile do not make two codecs of one name. */
function codecFaults(codecs: readonly JsonObject[], path: string): readonly Found[] {
  const seen = new Map<string, number>();
  return codecs.flatMap((codec, i) => {
    const { name: given } = codec;
    const name = typeof given === "string" ? lowerCase(trimSpace(given)) : "";
    if (name === "") {
      return [invalid(`${path}[${i}].name`, "codec name must be set", "FieldValueRequired")];
    }
    const before = seen.get(name);
    seen.set(name, i);
    const faults = before === undefined ? [] : [duplicate(`${path}[${before}].name`)];
    for (const field of ["sampleRateHz", "channels"]) {
      const value = codec[field];
      if (typeof value === "number" && value < 0) {
        faults.push(invalid(`${path}[${i}].${field}`, "must be non-negative"));
      }
    }
    return faults;
  });
}

function invalid(field: string, detail: string, type: Found["type"] = "FieldValueInvalid"): Found {
  return { reason: "CodecInvalid", field, type, detail };
}

function duplicate(field: string): Found {
  return { reason: "CodecDuplicate", field, type: "FieldValueDuplicate", detail: "" };
}

function binaryFaults(types: readonly string[]): readonly Found[] {
  const seen = new Map<string, number>();
  return types.flatMap((given, i): readonly Found[] => {
    const type = lowerCase(trimSpace(given));
    const field = `spec.supportedBinary[${i}]`;
    const reason = "MimeTypeInvalid";
    if (type === "") return [{ reason, field, type: "FieldValueRequired", detail: "mime type must be set" }];
    const faults: Found[] = [];
    if (!type.includes("/")) {
      faults.push({ reason, field, type: "FieldValueInvalid", detail: "must be a valid MIME type (type/subtype)" });
    }
    const before = seen.get(type);
    if (before !== undefined) faults.push(duplicate(`spec.supportedBinary[${before}]`));
    seen.set(type, i);
    return faults;
  });
}
