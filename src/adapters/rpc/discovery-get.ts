/** GetBinding: the binding of one step now, or once it is decided. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { type Binding, BindingState, type GetBindingRequest } from "../../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { TransportError } from "../../contract/errors.ts";
import type { BindingSelector } from "../../control/selectors.ts";
import type { Discovery } from "./discovery-server.ts";
import { reasonHeader } from "../grpc/status.ts";
import { toConnectError } from "./status.ts";
import { Wake } from "./wake.ts";

// Nobody waits longer, whatever the request says.
const longestWaitMs = 600_000;
// Before the deadline of a call, so that its answer still says why it waited in vain.
const answerMs = 50;

/** The binding's message. Throws what the API promises for it, after the wait where one is asked for. */
export async function getBinding(
  discovery: Discovery,
  { namespace, storyRun, step, wait }: GetBindingRequest,
  context: HandlerContext,
): Promise<Binding> {
  const subject = { namespace, storyRun, step };
  checkNamed(subject);
  await discovery.authorize(context, "read", subject);
  const deadlineMs = (context.timeoutMs() ?? Infinity) - answerMs;
  const waitMs = wait === undefined ? 0 : Math.min(durationMs(wait), deadlineMs, longestWaitMs);
  using wake = new Wake(context.signal, discovery.closing);
  let late = waitMs <= 0;
  const timer = discovery.clock.after(Math.max(waitMs, 0), () => {
    late = true;
    wake.ring();
  });
  const stop = discovery.snapshot.onRun(namespace, storyRun, () => wake.ring());
  discovery.synced.then(() => wake.ring(), () => {});
  try {
    for (;;) {
      const answer = look(discovery, subject);
      if ("binding" in answer) return answer.binding;
      if (late) throw answer.failure;
      await wake.wait();
    }
  } finally {
    timer.cancel();
    stop();
  }
}

/** Throws `InvalidRequest` that names every field which is missing. */
export function checkNamed({ namespace, storyRun, step }: BindingSelector): void {
  const fields = { namespace, story_run: storyRun, step };
  const missing = Object.entries(fields).filter(([, value]) => value === "").map(([name]) => name);
  if (missing.length === 0) return;
  throw new TransportError("InvalidRequest", `missing in the request: ${missing.join(", ")}`);
}

/** The binding of a step, or why there is none now. */
export function look(
  discovery: Discovery,
  subject: BindingSelector,
): { readonly binding: Binding } | { readonly failure: ConnectError } {
  const { namespace, storyRun, step } = subject;
  const found = discovery.snapshot.find(subject);
  const binding = found?.message();
  if (binding !== undefined) {
    const { state, reason, message } = binding;
    const undecided = state === BindingState.PENDING || state === BindingState.FAILED;
    if (!undecided) return { binding };
    return { failure: undecidable("NotDecided", `binding ${found!.key} is not decided: ${reason}: ${message}`) };
  }
  const run = `${namespace}/${storyRun}`;
  const fail = (error: TransportError) => ({ failure: toConnectError(error) });
  const decision = discovery.decisions.get(namespace, storyRun);
  if (decision === null) {
    if (discovery.isSynced) return fail(new TransportError("NotFound", `no StoryRun ${run} that is live`, subject));
    return fail(new TransportError("Unavailable", "objects are still being listed", subject));
  }
  const steps = decision.inputs?.story.spec.steps;
  if (steps !== undefined && !steps.some(({ name, id }) => name === step || id === step)) {
    return fail(new TransportError("UnknownStep", `StoryRun ${run} has no step "${step}"`, subject));
  }
  const { failure } = decision;
  if (failure !== null) return { failure: undecidable(failure.reason, failure.message) };
  const why = decision.topology?.steps.find((each) => each.step === step)?.message ?? "no decision";
  return { failure: undecidable("NotDecided", `step "${step}" of StoryRun ${run} has no binding: ${why}`) };
}

/** Known, but not decidable: always the same code, with the reason of the decision. */
function undecidable(reason: TransportError["reason"], message: string): ConnectError {
  return new ConnectError(message, Code.FailedPrecondition, { [reasonHeader]: reason });
}
