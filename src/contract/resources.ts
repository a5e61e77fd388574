/**
 * The BubuStack objects as far as this project reads or writes them (control-plane section 1).
 * These are shapes of trusted values: manifests and API answers are checked by `parse-resources.ts` once,
 * where they enter.
 */
import type { Kind } from "./names.ts";

export type JsonValue = string | number | boolean | null | JsonObject | readonly JsonValue[];
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

export interface ObjectReference {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
}

export interface Step {
  readonly name: string;
  readonly id?: string;
  readonly needs?: readonly string[];
  readonly type?: string;
  readonly if?: string;
  readonly ref?: ObjectReference;
  readonly with?: JsonValue;
  readonly runtime?: JsonValue;
  readonly transport?: string;
  readonly execution?: JsonObject;
}

export interface StoryTransport {
  readonly name: string;
  readonly transportRef: string;
  readonly description?: string;
  readonly streaming?: JsonObject;
  readonly settings?: JsonValue;
}

export interface Story {
  readonly kind: "Story";
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly pattern?: string;
    readonly concurrency?: JsonObject;
    readonly steps: readonly Step[];
    readonly compensations?: readonly Step[];
    readonly finally?: readonly Step[];
    readonly transports?: readonly StoryTransport[];
    readonly policy?: JsonObject;
  };
  readonly status?: JsonObject;
}

export interface StoryRun {
  readonly kind: "StoryRun";
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly storyRef: ObjectReference;
    readonly inputs?: JsonValue;
    readonly cancelRequested?: boolean;
  };
  readonly status?: {
    readonly phase?: string;
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
}

export interface StepRun {
  readonly kind: "StepRun";
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly storyRunRef: ObjectReference;
    readonly stepId: string;
    readonly engramRef?: ObjectReference;
  };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

export interface Engram {
  readonly kind: "Engram";
  readonly metadata: ObjectMeta;
  readonly spec: { readonly templateRef: ObjectReference; readonly mode?: string; readonly with?: JsonValue };
  readonly status?: JsonObject;
}

export interface EngramTemplate {
  readonly kind: "EngramTemplate";
  readonly metadata: ObjectMeta;
  readonly spec: JsonObject;
  readonly status?: JsonObject;
}

export interface AudioCodec {
  readonly name: string;
  readonly sampleRateHz?: number;
  readonly channels?: number;
}

export interface VideoCodec {
  readonly name: string;
  readonly profile?: string;
}

export interface Transport {
  readonly kind: "Transport";
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly provider: string;
    readonly driver: string;
    readonly connectorImage?: string;
    readonly supportedAudio?: readonly AudioCodec[];
    readonly supportedVideo?: readonly VideoCodec[];
    readonly supportedBinary?: readonly string[];
    readonly streaming?: JsonObject;
    readonly defaultSettings?: JsonValue;
  };
  readonly status?: JsonObject;
}

export interface TransportBinding {
  readonly kind: "TransportBinding";
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly transportRef: string;
    readonly driver: string;
    readonly stepName: string;
    readonly engramName: string;
    readonly storyRunRef?: ObjectReference;
    readonly audio?: { readonly direction: string; readonly codecs?: readonly AudioCodec[] };
    readonly video?: { readonly direction: string; readonly codecs?: readonly VideoCodec[]; readonly raw?: boolean };
    readonly binary?: { readonly direction: string; readonly mimeTypes?: readonly string[] };
    readonly connectorEndpoint?: string;
    readonly rawSettings?: JsonValue;
  };
  readonly status?: TransportBindingStatus;
}

export interface TransportBindingStatus {
  readonly observedGeneration?: number;
  readonly negotiatedAudio?: AudioCodec;
  readonly negotiatedVideo?: VideoCodec;
  readonly negotiatedBinary?: string;
  readonly endpoint?: string;
  readonly upstreamHost?: string;
  readonly downstreamHost?: string;
  readonly conditions?: readonly Condition[];
}

/** Each kind's shape, by its name. */
export interface Resources {
  Story: Story;
  StoryRun: StoryRun;
  StepRun: StepRun;
  Engram: Engram;
  EngramTemplate: EngramTemplate;
  Transport: Transport;
  TransportBinding: TransportBinding;
}

/** Any object of the contract; `kind` tells which. */
export type Resource = Resources[Kind];
