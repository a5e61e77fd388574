/** `bobravoz bindings`: what discovery knows of bindings, their connectors and their edges. */
import { setTimeout } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { connectTo, fromCall } from "../adapters/rpc/clients.ts";
import { TransportError } from "../contract/errors.ts";
import {
  type BindingStatus,
  BindingStatusSchema,
  DiscoveryService,
} from "../../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { bindingLines, withoutCounters } from "./view/bindings-text.ts";
import { type Io, isColored } from "./io.ts";
import { choice, readOptions } from "./options.ts";
import { addressOf, runTarget } from "./targets.ts";
import { paint } from "./view/table.ts";

const pageSize = 1000;
const pollMs = 500;
const callTimeoutMs = 10_000;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = readOptions("bindings", argv, {
    discovery: { type: "string" },
    output: { type: "string" },
    watch: { type: "boolean" },
  }, [0, 1]);
  const selector = runTarget("bindings", positionals[0]);
  const output = choice("bindings", "output", values["output"], ["text", "json"]);
  const address = addressOf(io, values["discovery"], ["BOBRAVOZ_DISCOVERY_ENDPOINT"]);
  const connection = connectTo(address, io);
  const client = createClient(DiscoveryService, connection.transport);
  const list = async () => {
    const all: BindingStatus[] = [];
    let pageToken = "";
    try {
      do {
        const options = { signal: io.signal, timeoutMs: callTimeoutMs };
        const page = await client.listBindings({ selector, pageSize, pageToken }, options);
        all.push(...page.bindings);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
    } catch (error) {
      throw fromCall(error, address, selector);
    }
    return all;
  };
  const format = (all: readonly BindingStatus[]) =>
    output === "json"
      ? JSON.stringify({ bindings: all.map((each) => toJson(BindingStatusSchema, each)) }) + "\n"
      : bindingLines(all, paint(isColored(io))).map((line) => line + "\n").join("");
  try {
    let all = await list();
    if (all.length === 0 && positionals[0] !== undefined && !values["watch"]) {
      throw new TransportError("NotFound", `discovery at ${address} knows no binding of ${positionals[0]}`, selector);
    }
    io.out(format(all));
    let shown = key(all, io.isTerminal);
    while (values["watch"]) {
      await setTimeout(pollMs, undefined, { signal: io.signal });
      all = await list();
      const now = key(all, io.isTerminal);
      if (now === shown) continue;
      shown = now;
      // A terminal shows the latest list alone; elsewhere each list that tells something new follows the last.
      io.out((io.isTerminal && output === "text" ? "\x1b[H\x1b[2J" : "") + format(all));
    }
    return 0;
  } catch (error) {
    if (values["watch"] && io.signal.aborted) return 0;
    throw error;
  } finally {
    connection.close();
  }
}

/** What makes a list another one: with counters where each list replaces the last. */
function key(all: readonly BindingStatus[], withCounters: boolean): string {
  return JSON.stringify(all.map((each) => toJson(BindingStatusSchema, withCounters ? each : withoutCounters(each))));
}
