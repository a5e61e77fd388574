/** `bobravoz send NAMESPACE/RUN/STEP`: an engram for one's hands that sends what it reads. */
import { connectTo } from "../adapters/rpc/clients.ts";
import { openStepStream } from "../adapters/rpc/step-stream.ts";
import type { Io } from "./io.ts";
import { refuseUnknownStep } from "./known-step.ts";
import { lines } from "./lines.ts";
import { readOptions } from "./options.ts";
import { parsePacket } from "./packet-json.ts";
import { addressOf, stepTarget, streamOptions } from "./targets.ts";
import { counted } from "./view/summary.ts";

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = readOptions("send", argv, streamOptions, [1, 1]);
  const identity = stepTarget("send", positionals[0]!, values);
  const connection = connectTo(addressOf(io, values["hub"], ["BOBRAVOZ_HUB_ENDPOINT"]), io);
  try {
    await refuseUnknownStep(connection, identity, io.signal);
    const stream = openStepStream({ connection, identity, signal: io.signal });
    let sent = 0;
    let received = 0;
    const write = async () => {
      let line = 0;
      for await (const text of lines(io.stdin)) {
        line++;
        if (text.trim() === "") continue;
        await stream.send(parsePacket(text, line));
        sent++;
      }
      stream.end();
    };
    const read = async () => {
      for await (const _ of stream.packets) received++;
    };
    const reading = read();
    // A refusal shows at once, not with the next line; a stream that ended early fails the next send.
    await Promise.race([write(), reading.then(() => new Promise<never>(() => {}))]);
    await reading;
    io.err(`${counted(sent, "packet")} sent${received > 0 ? `, ${received} received and not printed` : ""}\n`);
    return 0;
  } finally {
    connection.close();
  }
}
