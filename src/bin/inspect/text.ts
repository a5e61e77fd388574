/** A report for people. */
import { explain } from "../../topology/reasons.ts";
import { type Paint, table } from "../view/table.ts";
import { edgeLines, modeText } from "../view/topology-text.ts";
import type { StoryReport } from "./report.ts";

/** Steps, edges, settings, warnings and faults of one Story. */
export function reportText(report: StoryReport, paint: Paint): string {
  const { topology } = report;
  const steps = table([
    ["step", "kind", "sends by", "binding", "reason"].map(paint.bold),
    ...topology.steps.map((step) => [
      step.step,
      step.kind,
      step.effective === "p2p" ? paint.good(modeText(step)) : paint.mark(modeText(step)),
      step.binding === "" ? "none" : step.binding,
      `${step.reason}: ${explain(step.reason).sentence} (${step.rule})`,
    ]),
  ]);
  const settings = report.settings.filter((each) => each.differences.length > 0).flatMap((each) => [
    "",
    paint.bold(`settings of transport "${each.transport}" that differ`),
    ...indent(table([
      ["path", "published", "effective"],
      ...each.differences.map(({ path, published, effective }) => [path, valueText(published), valueText(effective)]),
    ])),
  ]);
  return [
    `${paint.bold(`Story ${report.namespace}/${report.story}`)}, run ${report.storyRun}`,
    "",
    ...indent(steps),
    "",
    ...indent(edgeLines(topology, paint)),
    ...settings,
    ...(report.warnings.length > 0 ? [""] : []),
    ...report.warnings.map((warning) => `warning: ${warning}`),
    ...(report.faults.length > 0 ? [""] : []),
    ...report.faults.map(({ reason, path, message }) =>
      paint.bad(`refused, ${reason}: ${path === "" || message.includes(path) ? "" : `${path}: `}${message}`)
    ),
  ].map((line) => line + "\n").join("");
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function valueText(value: unknown): string {
  return value === undefined ? "not set" : JSON.stringify(value);
}
