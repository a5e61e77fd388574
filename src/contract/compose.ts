/**
 * Names of objects, exactly as the workflow operator makes them (control-plane section 2).
 * Lengths are UTF-8 bytes. Callers feed ASCII; other input gives what the operator gives for it.
 */
import { createHash } from "node:crypto";
import { lowerCase, trimSpace } from "./go-text.ts";
import { utf8Bytes, utf8Text } from "./json-text.ts";

const maxLabelBytes = 63;

/** A DNS label of all parts, hashed at the end where they are too long; `resource` for nothing (N-02). */
export function compose(parts: readonly string[]): string {
  const joined = parts.join("-");
  if (joined.length <= maxLabelBytes && parts.length > 0 && parts.every(isPlain)) return joined;
  return utf8Text(composeBytes(parts));
}

/**
 * The bytes of `compose`: other than ASCII input may be cut inside of a character, as the operator does, and then
 * only the bytes tell two names apart.
 */
export function composeBytes(parts: readonly string[]): Uint8Array {
  const base = utf8Bytes(parts.map(sanitise).filter((part) => part !== "").join("-"));
  if (base.length === 0) return utf8Bytes("resource");
  if (base.length <= maxLabelBytes) return base;
  return join(stripOneDash(base.subarray(0, maxLabelBytes - 13)), `-${digest(parts).slice(0, 12)}`);
}

/** A DNS label that keeps its suffix whole and shortens the base where both are too long (N-02a). */
export function composeWithSuffix(base: string, suffix: string): string {
  if (base.length + 1 + suffix.length <= maxLabelBytes && isPlain(base) && isPlain(suffix)) return `${base}-${suffix}`;
  return utf8Text(composeWithSuffixBytes(base, suffix));
}

/** The bytes of `composeWithSuffix`; see `composeBytes`. */
export function composeWithSuffixBytes(base: string, suffix: string): Uint8Array {
  const end = sanitise(suffix);
  if (end === "") return composeBytes([base]);
  const start = sanitise(base) || "resource";
  const whole = utf8Bytes(`${start}-${end}`);
  if (whole.length <= maxLabelBytes) return whole;
  const hash = digest([start, end]).slice(0, 12);
  const room = maxLabelBytes - byteLength(end) - 1 - 12 - 1;
  if (room < 1) return composeBytes([end, hash]);
  const prefix = stripOneDash(utf8Bytes(start).subarray(0, room));
  return join(prefix.length === 0 ? utf8Bytes("resource") : prefix, `-${hash}-${end}`);
}

/** A value for a label selector: `a-z0-9` and single dashes, at most 63; `resource` for nothing (N-02b). */
export function labelValue(text: string): string {
  const value = asciiSegment(trimSpace(text));
  if (value === "") return "resource";
  if (value.length <= maxLabelBytes) return value;
  const hash = sha("sha256", value).slice(0, 10);
  const prefix = value.slice(0, maxLabelBytes - 11).replace(/^[-_.]+|[-_.]+$/g, "");
  return prefix === "" ? hash : `${prefix}-${hash}`;
}

/** StepRun of a step; also its workload, its Service and the binding's `engramName` (N-03). */
export function stepRunName(run: string, step: string): string {
  return compose([run, step]);
}

/** TransportBinding of a step of one run (N-04). */
export function bindingName(run: string, step: string): string {
  return compose([run, step, "transport"]);
}

/** TransportBinding of a step for all runs of a Story (N-05). */
export function storyBindingName(story: string, step: string): string {
  return compose([story, step, "story", "transport"]);
}

/** ServiceAccount, Role and RoleBinding of a run's pods (N-09). */
export function serviceAccountName(run: string): string {
  return composeWithSuffix(run, "engram-runner");
}

/** In-cluster address of a step, where its peers dial it (N-10). */
export function stepAddress(run: string, step: string, namespace: string, port: number): string {
  return `${stepRunName(run, step)}.${namespace}.svc.cluster.local:${port}`;
}

/** StoryRun that a trigger token names: the same token gives the same run (N-02d). */
export function storyRunName(namespace: string, story: string, token: string): string {
  const hash = sha("sha1", `${namespace}/${story}/${token}`).slice(0, 16);
  const segment = asciiSegment(token);
  let end = segment;
  if (segment === "") end = hash;
  else if (segment !== token || namespace !== "") end = `${segment}-${hash}`;
  return withinObjectName(story, end, hash);
}

/**
 * StoryTrigger of one delivery: `key` is the delivery's own identity, `submission` what stands in without one.
 * Empty when there is neither.
 */
export function storyTriggerName(namespace: string, story: string, key: string, submission: string): string {
  const identity = key === "" ? submission : key;
  if (identity === "") return "";
  const end = `trigger-${sha("sha1", `${namespace}/${story}/${identity}`).slice(0, 16)}`;
  return withinObjectName(story, end, end);
}

/** EffectClaim of a side effect of a StepRun; empty without an effect key. */
export function effectClaimName(namespace: string, stepRun: string, effect: string): string {
  if (effect === "") return "";
  const end = `effect-${sha("sha1", `${namespace}/${stepRun}/${effect}`).slice(0, 16)}`;
  return withinObjectName(stepRun, end, end);
}

/** Idempotency key of a step of a run; hashed where it would be longer than 256 bytes. */
export function stepIdempotencyKey(namespace: string, run: string, step: string): string {
  const [inNamespace, ofRun, ofStep] = [namespace, run, step].map(trimSpace);
  const key = `${inNamespace === "" ? "" : `ns/${inNamespace}/`}storyrun/${ofRun}/step/${ofStep}`;
  return byteLength(key) <= 256 ? key : `sha256:${sha("sha256", key)}`;
}

function withinObjectName(base: string, suffix: string, shortSuffix: string): string {
  const whole = `${base}-${suffix}`;
  if (byteLength(whole) <= 253) return whole;
  const room = 253 - shortSuffix.length - 1;
  const prefix = byteLength(base) <= room ? base : firstBytes(base, room).replace(/^-+|-+$/g, "") || "s";
  return `${prefix}-${shortSuffix}`;
}

/** A message for a condition or annotation: trimmed, and cut to `maxCharacters` (control-plane 2.5). */
export function truncateMessage(text: string, maxCharacters = 512): string {
  const trimmed = trimSpace(text);
  const characters = [...trimmed];
  return characters.length <= maxCharacters ? trimmed : characters.slice(0, maxCharacters).join("");
}

/** A part that stands in a name as it is, as nearly every one does; the long way costs ten times as much. */
function isPlain(text: string): boolean {
  return /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text);
}

/** One part of a name: lower-case letters and digits of any script, everything else one dash (N-01). */
function sanitise(text: string): string {
  return lowerCase(trimSpace(text)).replace(/[^\p{Ll}\p{Nd}]+/gu, "-").replace(/^-+|-+$/g, "");
}

function asciiSegment(text: string): string {
  return lowerCase(text).replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}

function stripOneDash(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x2d ? bytes.subarray(0, -1) : bytes;
}

function join(prefix: Uint8Array, suffix: string): Uint8Array {
  const end = utf8Bytes(suffix);
  const joined = new Uint8Array(prefix.length + end.length);
  joined.set(prefix);
  joined.set(end, prefix.length);
  return joined;
}

function byteLength(text: string): number {
  return utf8Bytes(text).length;
}

function firstBytes(text: string, count: number): string {
  return utf8Text(utf8Bytes(text).subarray(0, count));
}

function digest(parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(utf8Bytes(part)).update("\0");
  return hash.digest("hex");
}

function sha(algorithm: "sha1" | "sha256", text: string): string {
  return createHash(algorithm).update(utf8Bytes(text)).digest("hex");
}
