/** Settings: merge, admission of Transports and Stories, the security rule (control-plane 4.3, B-07, B-08, 1.8). */
import { isTransportError } from "../../../src/contract/errors.ts";
import { utf8Bytes } from "../../../src/contract/json-text.ts";
import type { JsonObject } from "../../../src/contract/resources.ts";
import { securityFaultsOfText } from "../../../src/contract/security-rule.ts";
import { type SettingsLevel, settingsPaths } from "../../../src/contract/settings-merge.ts";
import { mergePublished } from "../../../src/contract/settings.ts";
import { storyStreamingFaults, type StreamingStory } from "../../../src/contract/story-streaming.ts";
import { validateTransport } from "../../../src/contract/transport-validation.ts";
import { checkTemplate, realtimeRuntime } from "../../../src/template/check.ts";
import { routingOverride } from "../../../src/topology/override.ts";
import { type Answer, attempt, topicByOperation } from "../topic.ts";

interface Level {
  readonly settingsText?: string;
  readonly streaming?: JsonObject;
}

interface Merge {
  readonly transport: Level;
  readonly story: Level;
}

export const settings = topicByOperation({
  merge({ transport, story }: Merge): Answer {
    const answer = attempt(() => merged(transport, story), classOf);
    return "error" in answer ? { ...answer, error: withoutPath(answer.error) } : answer;
  },
  validateTransport: ({ spec }: { readonly spec: JsonObject }) =>
    attempt(() => validateTransport(spec), () => "decode"),
  storyStreaming: (story: StreamingStory) =>
    attempt(() => {
      const faults = storyStreamingFaults(story, (template) => checkTemplate(template, realtimeRuntime));
      return faults.map((fault) => fault.message);
    }, () => "decode"),
  security: ({ settingsText }: { readonly settingsText: string }): Answer => ({
    output: securityFaultsOfText(settingsText, "spec.rawSettings"),
  }),
});

function merged(transport: Level, story: Level) {
  const rawSettings = mergePublished(sourceOf(transport), sourceOf(story));
  const { mode, normalized } = routingOverride(JSON.parse(rawSettings) as JsonObject);
  return {
    rawSettings,
    bytes: utf8Bytes(rawSettings).length,
    ...(normalized === "" ? {} : { routingOverride: { mode, normalized, valid: mode !== "" } }),
  };
}

function sourceOf({ settingsText, streaming }: Level) {
  return { settings: settingsText, streaming };
}

/** Our errors begin with the path of what they are about, the recorded ones do not. */
function withoutPath(error: string): string {
  for (const { settings, streaming } of Object.values(settingsPaths)) {
    for (const path of [settings, streaming]) if (error.startsWith(`${path}: `)) return error.slice(path.length + 2);
  }
  return error;
}

const classNames: Readonly<Record<SettingsLevel, string>> = { transport: "Transport", story: "Story" };

function classOf(error: Error): string | undefined {
  const path = isTransportError(error) ? error.subject.path ?? "" : "";
  for (const level of ["transport", "story"] as const) {
    if (path === settingsPaths[level].settings) return `merge${classNames[level]}`;
    if (path.startsWith(settingsPaths[level].streaming)) return `decode${classNames[level]}`;
  }
  return undefined;
}
