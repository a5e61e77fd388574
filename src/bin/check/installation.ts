/** What is looked at of an installation: certificates, webhook, programs, identity. */
import { Buffer } from "node:buffer";
import { certifiedServices, installation, serviceNames } from "../../contract/installation.ts";
import type { JsonObject } from "../../contract/resources.ts";
import type { CheckFinding } from "../../control/check.ts";
import {
  type EngramCertificate,
  judgeCertificate,
  judgeIdentity,
  judgeProgram,
  judgeVersions,
  judgeWebhook,
  type ProgramFacts,
} from "../../control/check-programs.ts";
import { version } from "../version-text.ts";
import { type Asking, get, list, orUnseen } from "./ask.ts";
import { certificateFacts, fitsBundle, provenBy } from "./certificates.ts";

const secretPath = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/secrets/${name}`;

export async function certificateFindings(asking: Asking, namespace: string, domain: string, nowMs: number) {
  const looked = await Promise.all(
    Object.entries(certifiedServices).map(([secret, services]) =>
      orUnseen("certificates", secret, async () => {
        const names = services.flatMap((service) => serviceNames(service, namespace, domain));
        const facts = certificateFacts(await get(asking, secretPath(namespace, secret)));
        return [judgeCertificate(secret, facts, names, nowMs)];
      })
    ),
  );
  return looked.flat();
}

export function webhookFindings(asking: Asking, namespace: string): Promise<readonly CheckFinding[]> {
  const name = installation.webhookConfiguration;
  return orUnseen("webhook", name, async () => {
    const found = await get(asking, `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${name}`);
    if (found === null) return judgeWebhook(name, null);
    interface Config {
      readonly caBundle?: string;
      readonly service?: { readonly namespace: string; readonly name: string };
    }
    const { webhooks = [] } = found as unknown as { webhooks?: readonly { readonly clientConfig: Config }[] };
    const { caBundle = "", service } = webhooks[0]?.clientConfig ?? {};
    const bundle = Buffer.from(caBundle, "base64").toString();
    const secret = await get(asking, secretPath(namespace, installation.webhookTls));
    return judgeWebhook(name, {
      caBundle,
      service: service ?? null,
      fits: fitsBundle(secret, bundle),
      readyEndpoints: service === undefined ? null : await readyEndpoints(asking, service),
    });
  });
}

async function readyEndpoints(asking: Asking, { namespace, name }: { namespace: string; name: string }) {
  const selector = encodeURIComponent(`kubernetes.io/service-name=${name}`);
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=${selector}`;
  const slices = await list(asking, path) as unknown as readonly {
    readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[];
  }[];
  return slices.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false)
    .length;
}

export async function programFindings(asking: Asking, namespace: string, config: Readonly<Record<string, string>>) {
  const images: Record<string, string> = {};
  const look = (kind: "deployments" | "statefulsets", name: string, mayRest: boolean) =>
    orUnseen("programs", name, async () => {
      const facts = programFacts(await get(asking, `/apis/apps/v1/namespaces/${namespace}/${kind}/${name}`));
      if (facts !== null) images[name] = facts.image;
      return [judgeProgram(name, facts, mayRest)];
    });
  const found = await Promise.all([
    look("deployments", installation.controller, false),
    look("deployments", installation.webhook, false),
    look("statefulsets", installation.hub, config["hub.scaleToZero"]?.trim() === "true"),
  ]);
  const versions = Object.keys(images).length === 0 ? [] : [judgeVersions(version, images)];
  return [...found.flat(), ...versions];
}

function programFacts(object: JsonObject | null): ProgramFacts | null {
  if (object === null) return null;
  const { spec, status } = object as unknown as {
    readonly spec: {
      readonly replicas?: number;
      readonly template: { readonly spec: { readonly containers: readonly { readonly image?: string }[] } };
    };
    readonly status?: { readonly readyReplicas?: number };
  };
  const [container] = spec.template.spec.containers;
  return { wanted: spec.replicas ?? 1, ready: status?.readyReplicas ?? 0, image: container?.image ?? "" };
}

/** Certificates of the Engrams that name a Secret of their own. */
export function identityFindings(asking: Asking, mode: string): Promise<readonly CheckFinding[]> {
  return orUnseen("identity", `hub.identity ${mode}`, async () => {
    const engrams = await list(asking, "/apis/bubustack.io/v1alpha1/engrams") as unknown as readonly {
      readonly metadata: { readonly namespace: string; readonly name: string };
      readonly spec?: { readonly transport?: { readonly tls?: { readonly secretRef?: { readonly name?: string } } } };
    }[];
    const secrets = new Map<string, Promise<JsonObject | null>>();
    const facts = await Promise.all(engrams.flatMap(({ metadata: { namespace, name }, spec }) => {
      const secret = spec?.transport?.tls?.secretRef?.name;
      if (secret === undefined) return [];
      const path = secretPath(namespace, secret);
      // many Engrams share one
      const held = secrets.get(path) ?? get(asking, path);
      secrets.set(path, held);
      return [held.then((found): EngramCertificate => ({ namespace, engram: name, secret, proves: provenBy(found) }))];
    }));
    return judgeIdentity(mode, facts);
  });
}
