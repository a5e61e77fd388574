/**
 * What we say of a binding in its status: the hub's address and the condition `EndpointResolved`; the hosts only where
 * the binding is ours. Pure. Knows what another writer published; never contradicts it, but says where it differs.
 */
import { annotations, fieldManagers } from "../contract/names.ts";
import type { Condition, JsonObject, JsonValue, TransportBinding } from "../contract/resources.ts";
import { sameJson } from "../contract/same-json.ts";
import type { BindingDescription } from "../topology/binding.ts";
import { connectorStale } from "./heartbeats.ts";
import type { StatusWrite } from "./reconcile.ts";
import { conditionOf, type Finding, transition } from "./conditions.ts";

/** Type of our condition on bindings. */
export const endpointResolved = "EndpointResolved";

/** Address and decision of a step's binding, as one write; none where the status says so already. */
export function bindingStatus(
  known: TransportBinding | undefined,
  whose: "own" | "adopted" | "foreign",
  description: BindingDescription,
  isStale: boolean,
  now: string,
): readonly StatusWrite[] {
  const { namespace, object, decision, hubEndpoint, state, sharedBy } = description;
  const wanted = { upstreamHost: decision.upstreamHost, downstreamHost: decision.downstreamHost };
  const isStarting = state === "HubStarting";
  const message = decision.message + (known === undefined || whose === "own" ? "" : differences(known, description));
  return statusWrite(known, namespace, object, {
    endpoint: hubEndpoint,
    // Peers of different runs are at different places, so that a shared binding has none.
    hosts: sharedBy !== null ? {} : whose === "own" ? wanted : whose === "adopted" ? kept(known, wanted) : {},
    isResolved: !isStarting && !isStale,
    reason: isStarting ? "HubStarting" : isStale ? connectorStale : decision.reason,
    message: isStarting
      ? `no hub is ready yet; then ${message}`
      : isStale
      ? `the connector has gone silent; ${message}`
      : message,
  }, now);
}

/** Address of a binding of the run that is no step of the main list (control-plane K-09). */
export function asideStatus(
  known: TransportBinding,
  hub: Pick<BindingDescription, "hubEndpoint" | "state">,
  now: string,
): readonly StatusWrite[] {
  const isStarting = hub.state === "HubStarting";
  return statusWrite(known, known.metadata.namespace ?? "", known.metadata.name, {
    endpoint: hub.hubEndpoint,
    hosts: {},
    isResolved: !isStarting,
    reason: isStarting ? "HubStarting" : "OutsideMainSteps",
    message: `hub: step "${known.spec.stepName}" is none of spec.steps, so that its packets go through the hub ` +
      "(control-plane K-09)",
  }, now);
}

interface Said {
  readonly endpoint: string;
  readonly hosts: Readonly<Record<string, string | undefined>>;
  readonly isResolved: boolean;
  readonly reason: string;
  readonly message: string;
}

function statusWrite(
  known: TransportBinding | undefined,
  namespace: string,
  name: string,
  { endpoint, hosts, isResolved, reason, message }: Said,
  now: string,
): readonly StatusWrite[] {
  const finding: Finding = {
    type: endpointResolved,
    status: isResolved && endpoint !== "" ? "True" : "False",
    reason,
    message,
    observedGeneration: known?.metadata.generation ?? 1,
  };
  const status = compact({
    endpoint: endpoint === "" ? undefined : endpoint,
    ...hosts,
    conditions: [compact({ ...transition(known?.status?.conditions, finding, now) })],
  });
  if (known !== undefined && holds(known.status, status, Object.keys(hosts))) return [];
  return [{ type: "status", kind: "TransportBinding", namespace, name, manager: fieldManagers.controller, status }];
}

/**
 * The hosts that stand as we once wrote them: leaving them out would take them away from a binding that the workflow
 * operator has taken over, and any other value is the operator's (control-plane X-02).
 */
function kept(known: TransportBinding | undefined, wanted: Said["hosts"]): Said["hosts"] {
  const status = known?.status as Readonly<Record<string, unknown>> | undefined;
  return Object.fromEntries(
    Object.entries(wanted).filter(([host, value]) => value !== undefined && status?.[host] === value),
  );
}

/** Where a binding of another writer says something else than the decision, for people; empty where it does not. */
function differences(known: TransportBinding, description: BindingDescription): string {
  const { decision, storyGeneration } = description;
  const older: string[] = [];
  const noted = known.metadata.annotations ?? {};
  const mode = noted[annotations.routingMode];
  if (mode !== undefined && mode !== decision.published) older.push(`routing-mode ${mode}`);
  const next = noted[annotations.downstreamSteps] ?? "";
  if (mode !== undefined && next !== decision.downstreams.join(",")) older.push(`downstream-steps "${next}"`);
  if (known.spec.transportRef !== description.transportRef) older.push(`transport "${known.spec.transportRef}"`);
  if (!sameJson(known.spec.rawSettings ?? {}, description.rawSettings)) older.push("other settings");
  const texts: string[] = [];
  if (older.length > 0) {
    // K-38: bindings and pods of running steps keep what was decided when they were made.
    texts.push(
      `; decided from Story generation ${storyGeneration}, while generation ${known.metadata.generation ?? 1} of the ` +
        `binding and its pod keep ${older.join(", ")}`,
    );
  }
  for (const host of ["upstreamHost", "downstreamHost"] as const) {
    const theirs = known.status?.[host];
    if (theirs === undefined || theirs === decision[host]) continue;
    texts.push(`; the workflow operator publishes ${host} ${theirs}, decided is ${decision[host] ?? "none"}`);
  }
  return texts.join("");
}

/** Whether the status says all of `wanted` already, and nothing for those of `ours` that it leaves out. */
export function holds(status: object | undefined, wanted: JsonObject, ours: readonly string[]): boolean {
  if (status === undefined) return false;
  const known = status as JsonObject;
  return Object.entries(wanted).every(([field, value]) =>
    field === "conditions"
      ? (value as readonly JsonObject[]).every((condition) =>
        sameJson(conditionOf(known.conditions as unknown as Condition[] | undefined, String(condition.type)), condition)
      )
      : sameJson(known[field], value)
  ) && ours.every((field) => field in wanted || known[field] === undefined);
}

/** The fields that have a value. */
export function compact(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject;
}
