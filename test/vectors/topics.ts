/** Which topic a vector file has, by its name. */
import type { Topic } from "./topic.ts";
import { bindingEnvelope } from "./topics/binding-envelope.ts";
import { codecs } from "./topics/codecs.ts";
import { gates } from "./topics/gates.ts";
import { names } from "./topics/names.ts";
import { operatorConfig } from "./topics/operator-config.ts";
import { packetEnvelope } from "./topics/packet-envelope.ts";
import { routingOverrides } from "./topics/routing-override.ts";
import { settings } from "./topics/settings.ts";
import { topology } from "./topics/topology.ts";
import { wireLimits } from "./topics/wire-limits.ts";
import { wire } from "./topics/wire.ts";

export const topics: Readonly<Record<string, Topic | undefined>> = {
  "binding-envelope.json": bindingEnvelope,
  "codecs.json": codecs,
  "gates.json": gates,
  "names.json": names,
  "operator-config.json": operatorConfig,
  "packet-envelope.json": packetEnvelope,
  "routing-override.json": routingOverrides,
  "settings.json": settings,
  "topology.json": topology,
  "wire-limits.json": wireLimits,
  "wire.json": wire,
};
