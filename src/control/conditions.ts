/** Conditions as every writer of this project writes them (control-plane B-54, C-063; DECISIONS K-12). */
import type { Condition } from "../contract/resources.ts";

const maxReason = 64;
const maxMessage = 2048;

/** A condition that has no time yet. */
export type Finding = Omit<Condition, "lastTransitionTime">;

/**
 * The finding as a condition: its time is `now` where the status is another one than before, else the time that
 * stood. Reasons are cut to 64 characters, messages to 2048.
 */
export function transition(known: readonly Condition[] | undefined, finding: Finding, now: string): Condition {
  const before = conditionOf(known, finding.type);
  const lastTransitionTime = before?.status === finding.status ? before.lastTransitionTime : now;
  return {
    ...finding,
    reason: finding.reason.slice(0, maxReason),
    message: cut(finding.message),
    lastTransitionTime,
  };
}

/** The condition of a type, or undefined. */
export function conditionOf(known: readonly Condition[] | undefined, type: string): Condition | undefined {
  return known?.find((condition) => condition.type === type);
}

/** Whether the condition is there and True. */
export function isTrue(known: readonly Condition[] | undefined, type: string): boolean {
  return conditionOf(known, type)?.status === "True";
}

/** RFC 3339 in whole seconds, as Kubernetes writes `metav1.Time`. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Cut between code points: half of a surrogate pair is no text. */
function cut(message: string): string {
  if (message.length <= maxMessage) return message;
  const end = message.charCodeAt(maxMessage - 2);
  const whole = end >= 0xd800 && end < 0xdc00 ? maxMessage - 2 : maxMessage - 1;
  return `${message.slice(0, whole)}…`;
}
