/** Recordings of what the published operators wrote, read where they lie (vectors/cluster). */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { apiVersions, type Kind } from "../../src/contract/names.ts";
import type { JsonObject, Resource } from "../../src/contract/resources.ts";
import { root } from "./tools.ts";

/** One write request, or a note of the script. */
export interface RecordedLine {
  readonly n: number;
  /** Seconds from the start. */
  readonly t: number;
  readonly who: string;
  readonly verb?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly patchType?: "merge" | "json" | "apply";
  readonly fieldManager?: string;
  readonly patch?: JsonObject | readonly JsonObject[];
  readonly object?: JsonObject;
  readonly code?: number;
  readonly note?: string;
}

/** Kinds by the plural that requests name. */
export const kindsByPlural: Readonly<Record<string, Kind>> = {
  stories: "Story",
  engrams: "Engram",
  engramtemplates: "EngramTemplate",
  storyruns: "StoryRun",
  stepruns: "StepRun",
  transports: "Transport",
  transportbindings: "TransportBinding",
};

/** BOBRAVOZ_TEST_RECORDINGS, else the shared folder beside the checkout; null where neither is there. */
export function recordingsFolder(): string | null {
  const named = process.env["BOBRAVOZ_TEST_RECORDINGS"];
  const folder = named || join(dirname(root), "shared/vectors/cluster");
  return existsSync(folder) ? folder : null;
}

/** Names of the scenarios. */
export function scenarios(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name)
    .sort();
}

/** Names of the moments of which all objects are recorded; `objects` is the end. */
export function moments(folder: string, scenario: string): readonly string[] {
  return readdirSync(join(folder, scenario)).filter((file) => /^objects.*\.json$/.test(file))
    .map((file) => file.slice(0, -".json".length)).sort();
}

/** Objects of our kinds at a moment. */
export function objectsAt(folder: string, scenario: string, moment: string): readonly Resource[] {
  return rawObjectsAt(folder, scenario, moment).filter(({ kind }) => String(kind) in apiVersions)
    .map((object) => object as unknown as Resource);
}

/** All objects at a moment, as they were recorded. */
export function rawObjectsAt(folder: string, scenario: string, moment: string): readonly JsonObject[] {
  return JSON.parse(readFileSync(join(folder, scenario, `${moment}.json`), "utf8"));
}

/** What was written to objects of our kinds, in the order of arrival. */
export function timeline(folder: string, scenario: string): readonly RecordedLine[] {
  const lines: RecordedLine[] = JSON.parse(readFileSync(join(folder, scenario, "timeline.json"), "utf8"));
  return lines.filter((line) =>
    line.note === undefined && line.code === undefined && (line.resource ?? "") in kindsByPlural
  );
}

/** The uid that the API server gave an object when it was created, as far as a later request or a moment tells it. */
export function uidsOf(folder: string, scenario: string): (line: RecordedLine) => string {
  const lines = timeline(folder, scenario);
  const ends = moments(folder, scenario).flatMap((moment) => rawObjectsAt(folder, scenario, moment));
  return (line) => {
    const kind = kindsByPlural[line.resource!]!;
    const later = lines.filter(({ n }) => n > line.n);
    const again = later.findIndex(({ verb, resource, name }) =>
      verb === "create" && resource === line.resource && name === line.name
    );
    const during = (again < 0 ? later : later.slice(0, again)).flatMap(({ object, patch }) => [object, patch]);
    for (const place of [...during, ...(again < 0 ? ends : [])]) {
      const uid = uidIn(place as JsonObject | undefined, kind, line.name!);
      if (uid !== null) return uid;
    }
    return `made-up-${line.n}`;
  };
}

/** What an object or patch says of the uid of another object, or of its own. */
function uidIn(place: JsonObject | undefined, kind: Kind, name: string): string | null {
  const { kind: own, metadata, spec } = (place ?? {}) as {
    kind?: string;
    metadata?: { name?: string; uid?: string; ownerReferences?: { kind: string; name: string; uid: string }[] };
    spec?: { storyRunRef?: { name: string; uid?: string } };
  };
  if (own === kind && metadata?.name === name && metadata.uid !== undefined) return metadata.uid;
  const owner = metadata?.ownerReferences?.find((each) => each.kind === kind && each.name === name);
  if (owner !== undefined) return owner.uid;
  const run = spec?.storyRunRef;
  return kind === "StoryRun" && run?.name === name && run.uid !== undefined ? run.uid : null;
}
