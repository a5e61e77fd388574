/** Well-known values of `metadata["type"]` (data-plane 1.4). */
import { StreamType } from "../../gen/transport/v1/transport_pb.ts";

/** The canonical text of each stream type; empty for the unspecified one. */
export const streamTypes = {
  [StreamType.UNSPECIFIED]: "",
  [StreamType.SPEECH_TRANSCRIPT]: "speech.transcript.v1",
  [StreamType.SPEECH_TRANSLATION]: "speech.translation.v1",
  [StreamType.SPEECH_TRANSCRIPT_DELTA]: "speech.transcript.delta",
  [StreamType.SPEECH_TRANSCRIPT_DONE]: "speech.transcript.done",
  [StreamType.SPEECH_VAD_ACTIVE]: "speech.vad.active",
  [StreamType.SPEECH_VAD_INACTIVE]: "speech.vad.inactive",
  [StreamType.SPEECH_AUDIO]: "speech.audio.v1",
  [StreamType.SPEECH_AUDIO_DELTA]: "speech.audio.delta",
  [StreamType.SPEECH_AUDIO_DONE]: "speech.audio.done",
  [StreamType.SPEECH_AUDIO_SUMMARY]: "speech.audio.summary",
  [StreamType.SPEECH_TURN]: "speech.turn.v1",
  [StreamType.CHAT_MESSAGE]: "chat.message.v1",
  [StreamType.CHAT_RESPONSE]: "chat.response.v1",
  [StreamType.OPENAI_CHAT]: "openai.chat.v1",
} as const satisfies Record<StreamType, string>;
