/** A connector as its program starts it, in this process, with variables that a test gives. */
import { systemClock } from "../../src/adapters/clock.ts";
import { readSetup } from "../../src/bin/connector-config.ts";
import { type ConnectorNode, startConnector } from "../../src/bin/connector-node.ts";
import { encodeBindingEnvelope } from "../../src/contract/binding-info.ts";
import type { JsonObject } from "../../src/contract/resources.ts";
import { type Log, silentLog } from "../../src/contract/runtime.ts";
import { freePort } from "./free-port.ts";
import { ScriptEngram } from "./script-engram.ts";

export interface BedOptions {
  readonly hub: string;
  /** Settings in the binding. */
  readonly settings?: JsonObject;
  readonly step?: string;
  readonly generation?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Log;
}

export interface ConnectorBed extends AsyncDisposable {
  readonly node: ConnectorNode;
  readonly env: Readonly<Record<string, string>>;
  /** An engram that has begun its session. */
  engram(options?: ConstructorParameters<typeof ScriptEngram>[1]): ScriptEngram;
}

/** The text of `BUBU_TRANSPORT_BINDING` with settings. */
export function bindingText(settings: JsonObject = {}, codecs: JsonObject = {}): string {
  return encodeBindingEnvelope({
    metadata: { name: "binding", namespace: "demo" },
    spec: { transportRef: "speech", driver: "bobravoz-grpc", rawSettings: settings, ...codecs },
  });
}

export async function connectorEnv(options: BedOptions): Promise<Readonly<Record<string, string>>> {
  return {
    BUBU_HUB_ENDPOINT: options.hub,
    BUBU_STORYRUN_ID: "run",
    BUBU_POD_NAMESPACE: "demo",
    BUBU_STEP_NAME: options.step ?? "b",
    BUBU_CONNECTOR_GENERATION: String(options.generation ?? 1),
    BUBU_GRPC_PORT: String(await freePort()),
    BUBU_TRANSPORT_BINDING: bindingText(options.settings),
    ...options.env,
  };
}

/** Starts a connector. Everything that it opened ends with the bed. */
export async function connectorBed(options: BedOptions): Promise<ConnectorBed> {
  const env = await connectorEnv(options);
  const { setup, faults } = await readSetup(env);
  if (faults.length > 0) throw new Error(faults.join("\n"));
  const node = await startConnector(setup, systemClock, options.log ?? silentLog);
  node.failed.catch(() => {});
  return {
    node,
    env,
    engram: (more) => new ScriptEngram(node.address, more),
    [Symbol.asyncDispose]: () => node.close(100),
  };
}
