/** Who this program is and where it finds the others: variables that `bobravoz local` sets (control-plane 6.3, 6.4). */
import process from "node:process";
import type { StepIdentity } from "../../../../src/adapters/rpc/step-stream.ts";

export interface Surroundings {
  readonly identity: StepIdentity;
  readonly discovery: string;
  /** Port of this step on the loopback address, for peers. */
  readonly port: number;
  /** True: frames go out as fast as they are taken, instead of at real time. */
  readonly isFast: boolean;
}

/** Reads the environment. Throws naming every variable that is missing. */
export function readSurroundings(env = process.env): Surroundings {
  const missing: string[] = [];
  const take = (name: string) => {
    const value = env[name]?.trim() ?? "";
    if (value === "") missing.push(name);
    return value;
  };
  const surroundings = {
    identity: {
      namespace: take("BUBU_POD_NAMESPACE"),
      storyRun: take("BUBU_STORYRUN_ID"),
      step: take("BUBU_STEP_NAME"),
      generation: Number(take("BUBU_CONNECTOR_GENERATION")),
    },
    discovery: take("BOBRAVOZ_DISCOVERY_ENDPOINT"),
    port: Number(take("BUBU_GRPC_PORT")),
    isFast: env["BOBRAVOZ_EXAMPLE_FAST"] === "1",
  };
  if (missing.length > 0) throw new Error(`not set: ${missing.join(", ")} (run this program by bobravoz local)`);
  return surroundings;
}
