/** `bobravoz why RUN`: the one thing that a run waits for, who must act, and how. */
import { createClient } from "@connectrpc/connect";
import { DiscoveryService } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { connectTo, fromCall } from "../adapters/rpc/clients.ts";
import { installation } from "../contract/installation.ts";
import type { HubPod } from "../control/placement.ts";
import { type Wait, why } from "../control/why.ts";
import type { World } from "../control/world.ts";
import { exitCodes } from "./exit-codes.ts";
import { type Io, isColored } from "./io.ts";
import { choice, type OptionValues, readOptions, usage } from "./options.ts";
import { type Paint, paint } from "./view/table.ts";
import { hubPods, objectsOfDirectory, objectsOfRun } from "./why-objects.ts";

const limitMs = 20_000;

/** Ends with 0 where there is an answer, 4 where there is no such run. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = readOptions("why", argv, {
    namespace: { type: "string", short: "n" },
    manifests: { type: "string" },
    discovery: { type: "string" },
    kubeconfig: { type: "string" },
    context: { type: "string" },
    "operator-namespace": { type: "string" },
    output: { type: "string" },
  }, [1, 1]);
  const output = choice("why", "output", values["output"], ["text", "json"]);
  const [namespace, storyRun] = runOf(positionals[0]!, values);
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(limitMs)]);
  const directory = values["manifests"];
  const seen = typeof directory === "string"
    ? { world: await objectsOfDirectory(directory), hubs: null }
    : await ofCluster(values, io, namespace, storyRun, signal);
  const address = values["discovery"];
  const rejections = typeof address === "string" ? await rejectionsOf(address, io, namespace, storyRun, signal) : null;
  const wait = why({ ...seen, namespace, storyRun, ...rejections === null ? {} : { rejections } });
  io.out(output === "json" ? JSON.stringify(wait) + "\n" : textOf(wait, paint(isColored(io))));
  return wait.cause === "RunMissing" ? exitCodes.NotFound : 0;
}

/** `RUN` with `-n`, or `NAMESPACE/RUN`. */
function runOf(text: string, values: OptionValues): readonly [string, string] {
  const parts = text.split("/");
  const [first = "", second] = parts;
  if (parts.length > 2 || first === "" || second === "") throw usage("why", `"${text}" is not RUN or NAMESPACE/RUN`);
  return second === undefined ? [String(values["namespace"] ?? "default"), first] : [first, second];
}

async function ofCluster(
  values: OptionValues,
  io: Io,
  namespace: string,
  storyRun: string,
  signal: AbortSignal,
): Promise<{ readonly world: World; readonly hubs: readonly HubPod[] | null }> {
  const [{ openKubeApi }, { kubePath }] = await Promise.all([
    import("../adapters/cluster/kube/api.ts"),
    import("../adapters/cluster/kube/kinds.ts"),
  ]);
  const { kubeconfig, context } = values as { kubeconfig?: string; context?: string };
  const api = await openKubeApi({
    ...kubeconfig === undefined ? {} : { kubeconfig },
    ...context === undefined ? {} : { context },
    userAgent: "bobravoz-why",
  });
  try {
    const operators = String(values["operator-namespace"] ?? installation.namespace);
    const [world, hubs] = await Promise.all([
      objectsOfRun(api, kubePath, namespace, storyRun, signal),
      hubPods(api, operators, io.env, signal),
    ]);
    return { world, hubs };
  } finally {
    api.close();
  }
}

/** Which connectors refused their binding, as discovery knows it: no object says so. */
async function rejectionsOf(
  address: string,
  io: Io,
  namespace: string,
  storyRun: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const connection = connectTo(address, io);
  try {
    const request = { selector: { namespace, storyRun }, pageSize: 1000 };
    const { bindings } = await createClient(DiscoveryService, connection.transport).listBindings(request, { signal });
    return new Map(
      bindings.flatMap(({ binding, rejection }) =>
        binding === undefined || rejection === undefined ? [] : [[binding.step, rejection.message || rejection.reason]]
      ),
    );
  } catch (error) {
    throw fromCall(error, address, { namespace, storyRun });
  } finally {
    connection.close();
  }
}

function textOf({ cause, message, actor, hint }: Wait, paint: Paint): string {
  const isWaiting = actor !== "nobody";
  return [
    `${paint.bold(isWaiting ? "waits for" : "state")}  ${isWaiting ? paint.bad(message) : message} (${cause})`,
    `${paint.bold("who acts")}   ${actor}`,
    ...hint === "" ? [] : [`${paint.bold("next")}       ${hint}`],
    "",
  ].join("\n");
}
