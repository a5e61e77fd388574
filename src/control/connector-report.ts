/** A connector's report, checked where it enters. */
import type { ReportConnectorRequest } from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { TransportError } from "../contract/errors.ts";

/** A report whose fields are within their limits (`checkedReport`). */
export type ConnectorReport = ReportConnectorRequest;

/** Most entries of a report's lists, and most characters of its texts. */
export const reportLimits = { lanes: 100, edges: 1_000, reasons: 100, characters: 253, message: 1_024 } as const;

/**
 * The report itself. Throws `InvalidRequest` that names every field which is missing or out of its limits; an
 * `InvalidGeneration` where only the generation is not positive.
 */
export function checkedReport(report: ReportConnectorRequest): ConnectorReport {
  const { namespace, storyRun, step } = report;
  const subject = { namespace, storyRun, step };
  const faults: string[] = [];
  for (const [name, value] of [["namespace", namespace], ["story_run", storyRun], ["step", step]] as const) {
    if (value === "") faults.push(`${name} is missing`);
  }
  const short = {
    "audio.name": report.audio?.name ?? "",
    "video.name": report.video?.name ?? "",
    "video.profile": report.video?.profile ?? "",
    "binary": report.binary,
    "version": report.version,
    "listener.endpoint": report.listener?.endpoint ?? "",
    "listener.server_name": report.listener?.serverName ?? "",
  };
  for (const [name, value] of Object.entries(short)) {
    if (value.length > reportLimits.characters) {
      faults.push(`${name} has ${value.length} of at most ${reportLimits.characters} characters`);
    }
  }
  if (report.message.length > reportLimits.message) {
    faults.push(`message has ${report.message.length} of at most ${reportLimits.message} characters`);
  }
  for (const name of ["lanes", "edges"] as const) {
    const { length } = report[name];
    if (length > reportLimits[name]) faults.push(`${name} has ${length} of at most ${reportLimits[name]} entries`);
  }
  for (const [index, edge] of report.edges.slice(0, reportLimits.edges).entries()) {
    if (edge.from !== step && edge.to !== step) {
      faults.push(`edges[${index}] neither begins nor ends at step "${step}"`);
    }
    if (Object.keys(edge.dropped).length > reportLimits.reasons) {
      faults.push(`edges[${index}].dropped has more than ${reportLimits.reasons} reasons`);
    }
  }
  const { listener } = report;
  if (listener !== undefined && !/^[^\s/]+:\d{1,5}$/.test(listener.endpoint)) {
    faults.push(`listener.endpoint is "${listener.endpoint.slice(0, reportLimits.characters)}", not host:port`);
  }
  if (listener !== undefined && /\s/.test(listener.serverName)) faults.push("listener.server_name has a space");
  if (faults.length > 0) throw new TransportError("InvalidRequest", faults.slice(0, 20).join("; "), subject);
  if (report.generation < 1) {
    throw new TransportError("InvalidGeneration", `generation is ${report.generation}, not positive`, subject);
  }
  return report;
}
