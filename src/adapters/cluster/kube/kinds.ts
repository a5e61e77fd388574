/**
 * Our kinds as models of kubernetes-fluent-client, each registered once: it finds the path of a kind by the name of its
 * class, and refuses a name that it knows already.
 */
import { type GenericClass, GenericKind, RegisterKind } from "kubernetes-fluent-client";
import { apiVersions, type Kind } from "../../../contract/names.ts";

class BubuStory extends GenericKind {}
class BubuEngram extends GenericKind {}
class BubuEngramTemplate extends GenericKind {}
class BubuStoryRun extends GenericKind {}
class BubuStepRun extends GenericKind {}
class BubuTransport extends GenericKind {}
class BubuTransportBinding extends GenericKind {}

interface KubeKind {
  readonly model: GenericClass;
  readonly plural: string;
  readonly isNamespaced: boolean;
}

/** Every kind of the contract. */
export const kubeKinds = {
  Story: { model: BubuStory, plural: "stories", isNamespaced: true },
  Engram: { model: BubuEngram, plural: "engrams", isNamespaced: true },
  EngramTemplate: { model: BubuEngramTemplate, plural: "engramtemplates", isNamespaced: false },
  StoryRun: { model: BubuStoryRun, plural: "storyruns", isNamespaced: true },
  StepRun: { model: BubuStepRun, plural: "stepruns", isNamespaced: true },
  Transport: { model: BubuTransport, plural: "transports", isNamespaced: false },
  TransportBinding: { model: BubuTransportBinding, plural: "transportbindings", isNamespaced: true },
} as const satisfies Record<Kind, KubeKind>;

for (const [kind, { model, plural }] of Object.entries(kubeKinds)) {
  const [group = "", version = ""] = apiVersions[kind as Kind].split("/"); // the table is keyed by Kind
  RegisterKind(model, { kind, group, version, plural });
}

/** Path of an object, or of its collection where no name is given. */
export function kubePath(kind: Kind, namespace: string, name?: string): string {
  const { plural, isNamespaced } = kubeKinds[kind];
  const where = isNamespaced ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `/apis/${apiVersions[kind]}${where}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}
