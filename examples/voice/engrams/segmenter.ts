/** Joins frames with speech that follow each other to segments, and sends each segment on as one packet. */
import { runEngram } from "bobravoz/engram";
import { audioOf, audioPacket, frameMs, isEnd } from "./lib/packets.ts";

await runEngram({
  async *stream(packets) {
    let parts: Uint8Array[] = [];
    let startMs = 0;
    let segments = 0;
    for await (const packet of packets) {
      if (packet.metadata["type"] === "speech.vad.active") {
        const { pcm, atMs } = audioOf(packet);
        if (parts.length === 0) startMs = atMs;
        parts.push(pcm);
        continue;
      }
      if (parts.length > 0) {
        const pcm = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
        const segment = { startMs, endMs: startMs + parts.length * frameMs, frames: parts.length };
        yield { ...audioPacket(pcm, startMs, "speech.audio.summary"), payload: segment };
        parts = [];
        segments++;
      }
      if (!isEnd(packet)) continue;
      yield packet;
      break;
    }
    console.log(`${segments} segments`);
  },
});
