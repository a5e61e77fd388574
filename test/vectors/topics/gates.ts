/** Patterns, phases, addresses and operator settings (control-plane, O-40, N-02c, N-16, C-069, C-102). */
import {
  hubWorkloadName,
  isRealtime,
  isTerminalPhase,
  localConnectorEndpoint,
  readWorkflowOperatorConfig,
  transportMode,
} from "../../../src/contract/gates.ts";
import { hubAddress } from "../../../src/contract/hub-address.ts";
import { type Answer, topicByOperation } from "../topic.ts";

interface HubAddress {
  readonly env: Readonly<Record<string, string>>;
  readonly namespace: string;
}

export const gates = topicByOperation({
  pattern: ({ pattern }: { readonly pattern: string | null }): Answer => ({
    output: { ...transportMode(pattern), ...(pattern === null ? {} : { isRealtime: isRealtime(pattern) }) },
  }),
  terminalPhase: ({ phase }: { readonly phase: string }): Answer => ({ output: isTerminalPhase(phase) }),
  hubAddress: ({ env, namespace }: HubAddress): Answer => ({ output: hubAddress(env, namespace) }),
  hubWorkloadName: ({ parts }: { readonly parts: readonly string[] }): Answer => ({ output: hubWorkloadName(parts) }),
  localConnectorEndpoint: ({ port }: { readonly port: number }): Answer => ({ output: localConnectorEndpoint(port) }),
  workflowOperatorConfig: ({ data }: { readonly data: Readonly<Record<string, string>> }): Answer => ({
    output: readWorkflowOperatorConfig(data),
  }),
});
