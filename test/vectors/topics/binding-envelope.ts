/** The envelope and the variables around it (control-plane 6.1 … 6.4). */
import { toJson } from "@bufbuild/protobuf";
import { BindingInfoSchema } from "../../../gen/transport/v1/transport_pb.ts";
import {
  baseEnvironment,
  type EngramEnvironment,
  engramEnvironment,
  type EnvVariable,
  transportsEnvironment,
  type TransportsSource,
  type WorkloadDefaults,
  type WorkloadIdentity,
} from "../../../src/contract/binding-env.ts";
import {
  bindingAnnotation,
  encodeBindingEnvelope,
  type EnvelopeSource,
  readBindingEnvelope,
} from "../../../src/contract/binding-info.ts";
import { parseGoDuration } from "../../../src/contract/duration.ts";
import { utf8Bytes } from "../../../src/contract/json-text.ts";
import { protocolFault, readStartupCapabilities } from "../../../src/contract/protocol.ts";
import { readConnectorConfig } from "../../../src/contract/connector-config.ts";
import { type Answer, attempt, joinParts, topicByOperation } from "../topic.ts";

interface Transport {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly provider?: string; readonly driver?: string };
}

interface Decode {
  readonly value?: string;
  readonly valueParts?: Parameters<typeof joinParts>[0];
}

interface EngramEnv {
  readonly env: readonly EnvVariable[];
  readonly info: EngramEnvironment["info"];
  readonly settings: string;
  readonly heartbeat: string;
}

interface BaseEnv {
  readonly config: WorkloadDefaults;
  readonly meta: WorkloadIdentity;
  readonly tracePropagation: boolean;
}

export const bindingEnvelope = topicByOperation({
  encode({ binding, rawSettingsText }: { readonly binding: EnvelopeSource; readonly rawSettingsText?: string }) {
    return attempt(() => {
      const value = encodeBindingEnvelope(binding, rawSettingsText);
      return { value, bytes: utf8Bytes(value).length, annotation: bindingAnnotation(value) };
    }, () => "nameMissing");
  },
  decode,
  engramEnv({ env, info, settings, heartbeat }: EngramEnv) {
    const heartbeatNanoseconds = parseGoDuration(heartbeat) ?? 0n;
    return { output: engramEnvironment(env, { info, settings, heartbeatNanoseconds }) };
  },
  baseEnv({ config, meta, tracePropagation }: BaseEnv) {
    return { output: baseEnvironment(config, meta, tracePropagation) };
  },
  transportsEnv(
    { story, transports }: { readonly story: TransportsSource; readonly transports: readonly Transport[] },
  ) {
    const find = (name: string) => transports.find((transport) => transport.metadata.name === name)?.spec;
    return { output: transportsEnvironment(story, find) };
  },
  startupCapabilities({ value }: { readonly value: string }): Answer {
    const read = readStartupCapabilities(value);
    return typeof read === "string" ? { output: read } : { error: read.message, class: read.kind };
  },
  protocolVersion({ value }: { readonly value: string }): Answer {
    const fault = protocolFault(value);
    return fault === null ? { output: true } : { error: fault.message, class: fault.kind };
  },
  connectorConfig({ env }: { readonly env: Readonly<Record<string, string>> }): Answer {
    const { config, faults } = readConnectorConfig(env);
    const [first] = faults;
    return first === undefined ? { output: config } : { error: first.message, class: first.kind };
  },
});

function decode({ value, valueParts }: Decode): Answer {
  const read = readBindingEnvelope(value ?? joinParts(valueParts ?? []));
  if ("fault" in read) return { error: read.message, class: read.fault };
  const { name, namespace, info, env } = read;
  // A value in parts is too long to be recorded whole.
  if (valueParts !== undefined) {
    return { output: { name, namespace, driverLength: info.driver.length, endpointLength: info.endpoint.length } };
  }
  const protocolError = protocolFault(info.protocolVersion)?.message;
  return { output: { name, namespace, info: toJson(BindingInfoSchema, info), env, protocolError } };
}
