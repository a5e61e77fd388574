/** Names of objects (control-plane N-01 … N-09, N-19). */
import { bindingAnnotation } from "../../../src/contract/binding-info.ts";
import {
  bindingName,
  composeBytes,
  composeWithSuffixBytes,
  effectClaimName,
  labelValue,
  serviceAccountName,
  stepIdempotencyKey,
  storyBindingName,
  storyRunName,
  storyTriggerName,
  truncateMessage,
} from "../../../src/contract/compose.ts";
import { topic } from "../topic.ts";

type Name = (...args: readonly string[]) => string | Uint8Array;

const functions: Readonly<Record<string, Name | undefined>> = {
  compose: (...parts) => composeBytes(parts),
  composeWithSuffix: (base = "", suffix = "") => composeWithSuffixBytes(base, suffix),
  labelValue: (text = "") => labelValue(text),
  bindingName: (run = "", step = "") => bindingName(run, step),
  storyBindingName: (story = "", step = "") => storyBindingName(story, step),
  serviceAccountName: (run = "") => serviceAccountName(run),
  storyRunName: (namespace = "", story = "", token = "") => storyRunName(namespace, story, token),
  storyTriggerName: (namespace = "", story = "", key = "", submission = "") =>
    storyTriggerName(namespace, story, key, submission),
  effectClaimName: (namespace = "", stepRun = "", effect = "") => effectClaimName(namespace, stepRun, effect),
  stepIdempotencyKey: (namespace = "", run = "", step = "") => stepIdempotencyKey(namespace, run, step),
  truncateMessage512: (text = "") => truncateMessage(text, 512),
  annotationValue: (envelope = "") => bindingAnnotation(envelope),
};

export const names = topic(({ fn, args }: { readonly fn: string; readonly args: readonly string[] }) => {
  const name = functions[fn];
  if (name === undefined) throw new Error(`no function ${JSON.stringify(fn)} in this topic`);
  return { output: name(...args) };
});
