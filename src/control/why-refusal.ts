/** What a refused decision means for who waits: each reason as a cause, with who mends it and where. */
import { annotations } from "../contract/names.ts";
import type { Story } from "../contract/resources.ts";
import { isTransportError, type Reason, type TransportError } from "../contract/errors.ts";
import type { Wait, WaitCause } from "./why.ts";

interface Remedy {
  readonly cause: WaitCause;
  readonly actor: Wait["actor"];
  readonly hint: (story: Story, home: string) => string;
}

const inspect = (story: Story, home: string) =>
  `kubectl edit story -n ${home} ${story.metadata.name}; all faults at once: bobravoz inspect STORY.yaml`;

const remedies: Readonly<Partial<Record<Reason, Remedy>>> = {
  InvalidConfiguration: {
    cause: "UnknownTransportType",
    actor: "you",
    hint: (story, home) => `kubectl annotate story -n ${home} ${story.metadata.name} ${annotations.transportType}-`,
  },
  UnknownTransport: {
    cause: "TransportMissing",
    actor: "a cluster administrator",
    hint: () => "kubectl get transports",
  },
  UnknownEngram: { cause: "EngramMissing", actor: "you", hint: (_, home) => `kubectl get engrams -n ${home}` },
  InvalidSettings: { cause: "InvalidSettings", actor: "you", hint: inspect },
  NotSupported: { cause: "NotSupported", actor: "you", hint: inspect },
  EnvelopeTooLarge: { cause: "EnvelopeTooLarge", actor: "you", hint: inspect },
};

/** The cause of a refusal; a Story with several faults names the first. */
export function refusalCause(failure: TransportError, story: Story, home: string): Wait {
  const { reason, message, subject } = rootOf(failure);
  const remedy = remedies[reason] ?? { cause: "StoryRefused", actor: "you", hint: inspect };
  const isUndeclared = reason === "UnknownTransport" && / is not declared on | declares no transport /.test(message);
  const place = subject.path === undefined || message.includes(subject.path) ? "" : ` (${subject.path})`;
  const wait: Wait = {
    cause: isUndeclared ? "TransportUndeclared" : remedy.cause,
    message: message + place,
    actor: isUndeclared ? "you" : remedy.actor,
    hint: isUndeclared ? inspect(story, home) : remedy.hint(story, home),
  };
  return subject.step === undefined ? wait : { ...wait, step: subject.step };
}

/** The fault itself, where a refusal is only the sum of faults. */
function rootOf(failure: TransportError): TransportError {
  return isTransportError(failure.cause) && failure.cause.reason === failure.reason &&
      failure.cause.subject.path !== undefined
    ? failure.cause
    : failure;
}
