/** `bobravoz inspect`: how a Story would run, worked out offline from manifests. */
import { loadStories } from "./inspect/load.ts";
import { dot, mermaid } from "./inspect/graph.ts";
import { reportOn, type StoryReport } from "./inspect/report.ts";
import { reportText } from "./inspect/text.ts";
import { exitCodes } from "./exit-codes.ts";
import { type Io, isColored } from "./io.ts";
import { choice, readOptions } from "./options.ts";
import { paint } from "./view/table.ts";

/** Ends with 3 where a Story would be refused; the report stands on standard output all the same. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = readOptions("inspect", argv, { output: { type: "string" } }, [1, 1]);
  const output = choice("inspect", "output", values["output"], ["text", "json", "mermaid", "dot"]);
  const loaded = await loadStories(positionals[0]!);
  const reports = loaded.stories.map((story) => reportOn(story, loaded.objects));
  const render = {
    text: () => reports.map((report) => reportText(report, paint(isColored(io)))).join("\n"),
    json: () => JSON.stringify({ stories: reports.map(plain) }, null, 2) + "\n",
    mermaid: () => mermaid(reports),
    dot: () => dot(reports),
  } satisfies Record<typeof output, () => string>;
  io.out(render[output]());
  for (const fault of loaded.neighbourFaults) io.err(`bobravoz: ${fault}\n`);
  return reports.every((report) => report.faults.length === 0) ? 0 : exitCodes.BadManifest;
}

/** The report as JSON: faults of the topology stand among its own already. */
function plain({ topology, ...report }: StoryReport) {
  return { ...report, steps: topology.steps, edges: topology.edges };
}
