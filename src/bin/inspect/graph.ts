/** A report as a graph: direct edges are thick, edges through the hub go through it. */
import type { EdgeDecision, StepDecision } from "../../topology/decide.ts";
import { modeText } from "../view/topology-text.ts";
import type { StoryReport } from "./report.ts";

/** Mermaid flowchart text, one for each report. */
export function mermaid(reports: readonly StoryReport[]): string {
  const lines = ["flowchart LR"];
  reports.forEach((report, number) => {
    const { id } = numbering(report, number);
    lines.push(`  subgraph s${number}["${escaped(`${report.namespace}/${report.story}`)}"]`);
    for (const step of report.topology.steps) {
      const label = escaped(step.step);
      lines.push(`    ${id(step.step)}${step.kind === "primitive" ? `{{"${label}"}}` : `["${label}"]`}`);
    }
    for (const edge of report.topology.edges) {
      const arrow = edge.effective === "p2p" ? "==>" : edge.kind === "implicit" ? "-.->" : "-->";
      lines.push(`    ${id(edge.from)} ${arrow}|"${labelOf(edge)}"| ${id(edge.to)}`);
    }
    lines.push("  end");
  });
  return lines.join("\n") + "\n";
}

/** Graphviz text, one digraph for all reports. */
export function dot(reports: readonly StoryReport[]): string {
  const lines = ["digraph stories {", "  rankdir=LR;", "  node [shape=box];"];
  reports.forEach((report, number) => {
    const { id } = numbering(report, number);
    lines.push(`  subgraph cluster_${number} {`, `    label=${quoted(`${report.namespace}/${report.story}`)};`);
    for (const step of report.topology.steps) {
      const shape = step.kind === "primitive" ? ", shape=hexagon" : "";
      lines.push(`    ${id(step.step)} [label=${quoted(step.step)}${shape}];`);
    }
    for (const edge of report.topology.edges) {
      const style = edge.effective === "p2p" ? ", penwidth=3" : edge.kind === "implicit" ? ", style=dashed" : "";
      lines.push(`    ${id(edge.from)} -> ${id(edge.to)} [label=${quoted(labelOf(edge))}${style}];`);
    }
    lines.push("  }");
  });
  lines.push("}");
  return lines.join("\n") + "\n";
}

function labelOf(edge: EdgeDecision): string {
  return `${modeText(edge)}: ${edge.reason}`;
}

/** Names of nodes that are safe in both languages, whatever a step is called. */
function numbering(report: StoryReport, number: number) {
  const index = new Map(report.topology.steps.map((step: StepDecision, i) => [step.step, i]));
  return { id: (step: string) => `n${number}_${index.get(step)}` };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
