/** `bobravoz recv NAMESPACE/RUN/STEP`: an engram for one's hands that prints and acknowledges what it gets. */
import { connectTo } from "../adapters/rpc/clients.ts";
import { openStepStream, packetBytes } from "../adapters/rpc/step-stream.ts";
import type { Io } from "./io.ts";
import { refuseUnknownStep } from "./known-step.ts";
import { count, readOptions } from "./options.ts";
import { formatPacket } from "./packet-json.ts";
import { addressOf, stepTarget, streamOptions } from "./targets.ts";

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const options = { ...streamOptions, count: { type: "string" } } as const;
  const { values, positionals } = readOptions("recv", argv, options, [1, 1]);
  const identity = stepTarget("recv", positionals[0]!, values);
  const most = values["count"] === undefined ? Infinity : count("recv", "count", values["count"], 1);
  const connection = connectTo(addressOf(io, values["hub"], ["BOBRAVOZ_HUB_ENDPOINT"]), io);
  try {
    await refuseUnknownStep(connection, identity, io.signal);
    const stream = openStepStream({ connection, identity, signal: io.signal });
    let received = 0;
    for await (const packet of stream.packets) {
      if (received >= most) continue;
      io.out(formatPacket(packet) + "\n");
      stream.grant(1, packetBytes(packet));
      received++;
      // The rest of the loop waits until the hub has seen the end, so that the acknowledgements count.
      if (received >= most) stream.end();
    }
    return 0;
  } catch (error) {
    // An interrupt is how one stops listening.
    if (io.signal.aborted) return 0;
    throw error;
  } finally {
    connection.close();
  }
}
