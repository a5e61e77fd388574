/** The binding of a pod that is about to be created: where its text is from, and what is known beside it (A-06 … A-10). */
import { type DecodedBinding, encodeBindingEnvelope, readBindingEnvelope } from "../contract/binding-info.ts";
import { isTransportError, TransportError } from "../contract/errors.ts";
import { trimSpace } from "../contract/go-text.ts";
import { annotations, labels } from "../contract/names.ts";
import { protocolFault } from "../contract/protocol.ts";
import type { Engram, ObjectMeta, Transport, TransportBinding } from "../contract/resources.ts";

/** Objects that a decision may need; each is read only where it is needed. Absent ones are `NotFound`. */
export interface InjectReads {
  engram(namespace: string, name: string, signal: AbortSignal): Promise<Engram>;
  binding(namespace: string, name: string, signal: AbortSignal): Promise<TransportBinding>;
  transport(name: string, signal: AbortSignal): Promise<Transport>;
}

export type PodMeta = Pick<ObjectMeta, "annotations" | "labels">;

export interface PodBinding {
  /** The envelope's text as the connector gets it. */
  readonly value: string;
  readonly decoded: DecodedBinding;
  readonly storyRun: string;
  readonly story: string;
  readonly step: string;
}

type Identity = "storyRun" | "story" | "step";

/**
 * Null: neither pod nor Engram has one. The Engram is read only where the pod does not say everything, since it may
 * live in another namespace and is shared by runs. Throws what denies the pod, naming the annotation.
 */
export async function bindingOfPod(
  { namespace, meta }: { readonly namespace: string; readonly meta: PodMeta },
  reads: InjectReads,
  signal: AbortSignal,
): Promise<PodBinding | null> {
  const onPod = trimSpace(meta.annotations?.[annotations.binding] ?? "");
  const ofPod = (key: Identity): string => meta.annotations?.[annotations[key]] || meta.labels?.[labels[key]] || "";
  const isComplete = onPod !== "" && ofPod("step") !== "" && ofPod("storyRun") !== "";
  const name = meta.labels?.[labels.engram] ?? "";
  const engram = isComplete ? null : await readEngram(namespace, name, reads, signal);
  const ofEngram = (key: Identity): string => engram?.metadata.annotations?.[annotations[key]] ?? "";
  if (onPod !== "") {
    const decoded = decode(`annotation ${annotations.binding} of the pod`, onPod);
    const either = (key: Identity) => ofPod(key) || ofEngram(key);
    return { value: onPod, decoded, story: either("story"), step: either("step"), storyRun: either("storyRun") };
  }
  const onEngram = trimSpace(engram?.metadata.annotations?.[annotations.binding] ?? "");
  if (onEngram === "") return null;
  const subject = `annotation ${annotations.binding} of Engram ${namespace}/${name}`;
  const value = onEngram.startsWith("{") ? onEngram : await resolve(subject, namespace, onEngram, reads, signal);
  const either = (key: Identity) => ofEngram(key) || ofPod(key);
  const storyRun = either("storyRun") || ofEngram("story");
  return { value, decoded: decode(subject, value), story: either("story"), step: either("step"), storyRun };
}

/**
 * The binding's object, for what its status says of hub and peer; null, with a warning, where it cannot be read. One of
 * another namespace is not looked at: its text is the user's, who may not see what the webhook sees.
 */
export async function recordOf(
  namespace: string,
  { decoded }: PodBinding,
  reads: InjectReads,
  signal: AbortSignal,
): Promise<{ readonly status: TransportBinding["status"]; readonly warnings: readonly string[] }> {
  if (decoded.namespace !== "" && decoded.namespace !== namespace) return { status: undefined, warnings: [] };
  try {
    return { status: (await reads.binding(namespace, decoded.name, signal)).status, warnings: [] };
  } catch (error) {
    if (!isTransportError(error)) throw error;
    if (error.reason === "NotFound") return { status: undefined, warnings: [] };
    const warning =
      `TransportBinding ${decoded.name} was not read, the connector gets the hub's Service: ${error.message}`;
    return { status: undefined, warnings: [warning] };
  }
}

async function readEngram(
  namespace: string,
  name: string,
  reads: InjectReads,
  signal: AbortSignal,
): Promise<Engram> {
  try {
    return await reads.engram(namespace, name, signal);
  } catch (error) {
    throw isTransportError(error)
      ? denied(`Engram ${namespace}/${name} cannot be read: ${error.message}`, error)
      : error;
  }
}

/** The envelope of a binding that is named: `name`, or `namespace/name` with the pod's namespace (A-09, E-06). */
async function resolve(
  subject: string,
  namespace: string,
  reference: string,
  reads: InjectReads,
  signal: AbortSignal,
): Promise<string> {
  const [first = "", second, ...more] = reference.split("/").map(trimSpace);
  const name = second ?? first;
  if (name === "" || more.length > 0) throw denied(`${subject}: ${JSON.stringify(reference)} names no binding`);
  if (second !== undefined && first !== namespace) {
    throw denied(`${subject}: binding ${reference} is in another namespace than the pod, ${namespace}`);
  }
  try {
    return encodeBindingEnvelope(await reads.binding(namespace, name, signal));
  } catch (error) {
    throw isTransportError(error) ? denied(`${subject}: binding ${reference}: ${error.message}`, error) : error;
  }
}

function decode(subject: string, value: string): DecodedBinding {
  const read = readBindingEnvelope(value);
  if ("fault" in read) throw denied(`${subject}: ${read.message}`);
  const fault = protocolFault(read.info.protocolVersion);
  if (fault !== null) throw denied(`${subject}: ${fault.message}`);
  return read;
}

function denied(message: string, cause?: unknown): TransportError {
  return new TransportError("InvalidBinding", message, {}, { cause });
}
