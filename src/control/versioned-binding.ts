/** A binding in one version: encoded once, whoever sends it. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { type Binding, BindingSchema } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { digest } from "../contract/digest.ts";
import type { BindingDescription } from "../topology/binding.ts";
import { bindingFields } from "./binding-message.ts";
import type { Versioned } from "./subscriptions.ts";

/** Immutable, and the same object as long as its content is. */
export interface VersionedBinding extends Versioned {
  /** Name of the TransportBinding. */
  readonly name: string;
  /** The encoded `Binding` behind its length, as it stands in a field; shared by all who send it. */
  readonly field: Uint8Array;
  /** The `Binding`, decoded anew at each call. */
  message(): Binding;
}

// Nine tenths of a binding's bytes are in these. The library's writer starts with 128 bytes and copies as it grows,
// which costs more than all the encoding; and the settings of all runs of a Story are the same text.
const longTexts = ["mergedSettings", "effectiveSettings", "transportBinding"] as const;
const tagOf = (name: keyof typeof BindingSchema.field) =>
  varint(BindingSchema.field[name].number << 3 | WireType.LengthDelimited);
const versionCharacters = 22;

/** Encodes descriptions. The order of a message's fields means nothing: the long ones follow the others, then the version. */
export class BindingEncoder {
  readonly #utf8 = new TextEncoder();
  readonly #tags = longTexts.map(tagOf);
  readonly #versionTag = tagOf("version");
  // The text of each long field that was encoded last, and its bytes.
  readonly #last = longTexts.map(() => ({ text: "", bytes: new Uint8Array() }));

  /** The version is the digest of all the rest. */
  encode(description: BindingDescription): VersionedBinding {
    const { name, namespace, storyRun, step } = description;
    const fields = bindingFields(description);
    const head = toBinary(
      BindingSchema,
      create(BindingSchema, { ...fields, mergedSettings: "", effectiveSettings: "", transportBinding: "" }),
    );
    const parts: Uint8Array[] = [head];
    longTexts.forEach((field, index) => {
      const bytes = this.#bytesOf(index, description[field]);
      if (bytes.length > 0) parts.push(this.#tags[index]!, varint(bytes.length), bytes);
    });
    const contentBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const length = contentBytes + this.#versionTag.length + 1 + versionCharacters;
    const prefix = varint(length);
    const field = new Uint8Array(prefix.length + length);
    field.set(prefix);
    let at = prefix.length;
    for (const part of parts) {
      field.set(part, at);
      at += part.length;
    }
    const version = digest(field.subarray(prefix.length, at));
    field.set(this.#versionTag, at);
    at += this.#versionTag.length;
    field[at++] = versionCharacters;
    this.#utf8.encodeInto(version, field.subarray(at));
    return {
      key: `${namespace}/${name}`,
      version,
      bytes: field.length,
      name,
      namespace,
      storyRun,
      step,
      field,
      message: () => fromBinary(BindingSchema, field.subarray(prefix.length)),
    };
  }

  #bytesOf(index: number, text: string): Uint8Array {
    const last = this.#last[index]!;
    if (last.text !== text) {
      last.text = text;
      last.bytes = this.#utf8.encode(text);
    }
    return last.bytes;
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push(value & 0x7f | 0x80);
  return Uint8Array.from([...bytes, value]);
}
