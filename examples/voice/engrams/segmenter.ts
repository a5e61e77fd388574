/** Joins frames with speech that follow each other to segments, and sends each segment on as one packet. */
import { runEngram } from "./lib/engram.ts";
import { audioOf, audioPacket, frameMs, isEnd } from "./lib/packets.ts";

await runEngram(async (engram) => {
  let parts: Uint8Array[] = [];
  let startMs = 0;
  let segments = 0;
  const finish = async () => {
    if (parts.length === 0) return;
    const packet = audioPacket(
      new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()),
      startMs,
      "speech.audio.summary",
    );
    packet.payload = { startMs, endMs: startMs + parts.length * frameMs, frames: parts.length };
    parts = [];
    segments++;
    await engram.send(packet);
  };
  for await (const packet of engram.packets()) {
    if (isEnd(packet)) {
      await finish();
      await engram.send(packet);
    } else if (packet.metadata["type"] === "speech.vad.active") {
      const { pcm, atMs } = audioOf(packet);
      if (parts.length === 0) startMs = atMs;
      parts.push(pcm);
    } else {
      await finish();
    }
  }
  console.log(`${segments} segments`);
});
