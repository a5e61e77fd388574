/**
 * Codecs between a Transport and a binding: what a binding carries, whether a Transport supports it, and what a
 * connector settles on (control-plane B-02, B-09, B-12, B-40).
 */
import type { AudioCodec, Transport, TransportBinding, VideoCodec } from "../contract/resources.ts";

type TransportSpec = Pick<Transport["spec"], "supportedAudio" | "supportedVideo" | "supportedBinary">;
type BindingSpec = TransportBinding["spec"];

/** The media part of a binding's spec. */
export type Media = Pick<BindingSpec, "audio" | "video" | "binary">;

/** The media of a binding: for each kind that the Transport supports its whole list (control-plane B-02, C-045). */
export function mediaOf({ supportedAudio, supportedVideo, supportedBinary }: TransportSpec): Media {
  const direction = "bidirectional";
  return {
    ...(supportedAudio?.length ? { audio: { direction, codecs: supportedAudio } } : {}),
    ...(supportedVideo?.length ? { video: { direction, codecs: supportedVideo } } : {}),
    ...(supportedBinary?.length ? { binary: { direction, mimeTypes: supportedBinary } } : {}),
  };
}

/** A part of a binding that a Transport does not support, in the words of the workflow operator. */
export interface Unsupported {
  readonly field: "spec.audio.codecs" | "spec.video.codecs" | "spec.binary.mimeTypes";
  readonly detail: string;
}

/** The first unsupported codec of each media kind, audio before video before binary; empty when all are supported. */
export function unsupportedMedia(media: Media, transport: TransportSpec): readonly Unsupported[] {
  const { supportedAudio = [], supportedVideo = [], supportedBinary = [] } = transport;
  return [
    check("spec.audio.codecs", "audio codecs", media.audio?.codecs, supportedAudio, (asked) => {
      return supportedAudio.some((has) => isSameAudio(asked, has)) ? null : `audio codec ${asked.name}`;
    }),
    check("spec.video.codecs", "video codecs", media.video?.codecs, supportedVideo, (asked) => {
      return supportedVideo.some((has) => isSameVideo(asked, has)) ? null : `video codec ${asked.name}`;
    }),
    check("spec.binary.mimeTypes", "binary payloads", media.binary?.mimeTypes, supportedBinary, (asked) => {
      return supportedBinary.some((has) => isSameName(asked, has)) ? null : `binary mime type ${asked}`;
    }),
  ].filter((fault) => fault !== null);
}

function check<T>(
  field: Unsupported["field"],
  kind: string,
  asked: readonly T[] | undefined,
  supported: readonly unknown[],
  missing: (asked: T) => string | null,
): Unsupported | null {
  if (asked === undefined || asked.length === 0) return null;
  if (supported.length === 0) return { field, detail: `transport does not support ${kind}` };
  const first = asked.map(missing).find((name) => name !== null);
  return first === undefined || first === null ? null : { field, detail: `${first} is not supported by transport` };
}

function isSameAudio(asked: AudioCodec, has: AudioCodec): boolean {
  return isSameCodec(asked.name, has.name) && isAsked(asked.sampleRateHz, has.sampleRateHz) &&
    isAsked(asked.channels, has.channels);
}

function isSameVideo(asked: VideoCodec, has: VideoCodec): boolean {
  return isSameCodec(asked.name, has.name) && (!asked.profile?.trim() || isSameName(asked.profile, has.profile ?? ""));
}

/** A number that is absent or not positive asks for nothing. */
function isAsked(asked: number | undefined, has: number | undefined): boolean {
  return asked === undefined || asked <= 0 || asked === has;
}

/** A blank codec name is like no other, not even a blank one. */
function isSameCodec(a: string, b: string): boolean {
  return a.trim() !== "" && isSameName(a, b);
}

function isSameName(a: string, b: string): boolean {
  return a.trim().toLowerCase() === b.trim().toLowerCase();
}

/** Why a binding does not fit its Transport (control-plane B-09, B-51), null when it does. */
export function incompatibility(
  spec: Media & Pick<BindingSpec, "driver">,
  transport: TransportSpec & Pick<Transport["spec"], "driver">,
): string | null {
  if (spec.driver.trim() === "") return "driver must be provided";
  if (spec.driver !== transport.driver) return `driver must match transport driver "${transport.driver}"`;
  return unsupportedMedia(spec, transport)[0]?.detail ?? null;
}

/** Whether a binding carries any media kind at all, which admission asks for (control-plane B-09). */
export function hasMedia({ audio, video, binary }: Media): boolean {
  return audio !== undefined || video !== undefined || binary !== undefined;
}

/** What a connector settled on. */
export interface Negotiated {
  readonly negotiatedAudio?: AudioCodec;
  readonly negotiatedVideo?: VideoCodec;
  readonly negotiatedBinary?: string;
}

/** The first codec of each configured kind, unless the status has one already (control-plane B-40). */
export function negotiate(spec: Media, status: Negotiated = {}): Negotiated {
  const audio = status.negotiatedAudio ?? spec.audio?.codecs?.[0];
  const video = status.negotiatedVideo ?? spec.video?.codecs?.[0];
  const binary = status.negotiatedBinary || spec.binary?.mimeTypes?.[0];
  return {
    ...(audio === undefined ? {} : { negotiatedAudio: audio }),
    ...(video === undefined ? {} : { negotiatedVideo: video }),
    ...(binary ? { negotiatedBinary: binary } : {}),
  };
}
