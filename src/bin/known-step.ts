/** Whether a step is one of its run's, asked before somebody speaks as it. */
import { createClient } from "@connectrpc/connect";
import { DiscoveryService } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { type Connection, fromCall } from "../adapters/rpc/clients.ts";
import type { StepIdentity } from "../adapters/rpc/step-stream.ts";
import { TransportError } from "../contract/errors.ts";
import { suggestion } from "./suggest.ts";

const limitMs = 5_000;

/**
 * Throws `UnknownStep`, with the step that may be meant, where the hub's discovery says that the run has no such step: a
 * hub itself takes every name, as existing ones do. A hub without discovery, and one that does not answer, is believed.
 */
export async function refuseUnknownStep(
  connection: Connection,
  { namespace, storyRun, step }: StepIdentity,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient(DiscoveryService, connection.transport);
  const options = { signal, timeoutMs: limitMs };
  const fault = await client.getBinding({ namespace, storyRun, step }, options).then(
    () => null,
    (error: unknown) => fromCall(error, connection.address, { namespace, storyRun, step }),
  );
  if (fault?.reason !== "UnknownStep") return;
  const { bindings } = await client.listBindings({ selector: { namespace, storyRun }, pageSize: 1000 }, options)
    .catch(() => ({ bindings: [] }));
  const steps = bindings.flatMap(({ binding }) => binding?.step ?? []);
  const hint = suggestion(step, steps) || (steps.length === 0 ? "" : ` (it has ${steps.join(", ")})`);
  throw new TransportError("UnknownStep", fault.message + hint, fault.subject, { cause: fault });
}
