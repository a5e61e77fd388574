/** `bobravoz certificates`: the certificates of an installation without cert-manager, made and renewed. */
import { setTimeout as pause } from "node:timers/promises";
import { issueSecrets } from "../adapters/certificates/issue-secrets.ts";
import { keepCertificates, type KeeperOptions } from "../adapters/certificates/keeper.ts";
import { systemClock } from "../adapters/clock.ts";
import { createLog } from "../adapters/log.ts";
import { certifiedServices, installation, serviceNames } from "../contract/installation.ts";
import type { Io } from "./io.ts";
import { readOptions, usage } from "./options.ts";

/** Between two looks: what somebody spoils is put right within it. */
const intervalMs = 60_000;
/** After a failure, doubled up to the interval. */
const firstRetryMs = 2_000;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const { values } = readOptions("certificates", argv, {
    namespace: { type: "string" },
    "webhook-configuration": { type: "string" },
    "cluster-domain": { type: "string" },
    engram: { type: "string" },
    once: { type: "boolean" },
    kubeconfig: { type: "string" },
    context: { type: "string" },
  }, [0, 0]);
  const text = (name: string): string | undefined => values[name] as string | undefined; // declared so above
  const engrams = (text("engram") ?? "").split(",").filter((each) => each !== "").map(readEngram);
  const namespace = text("namespace") ?? installation.namespace;
  const domain = text("cluster-domain") ?? io.env["BUBU_HUB_CLUSTER_DOMAIN"]?.replace(/^svc\./, "") ?? "cluster.local";
  const log = createLog({ level: io.env["BUBU_DEBUG"] ? "debug" : "info" });
  // costs most of a second; nothing else in this file needs it
  const { openKubeApi } = await import("../adapters/cluster/kube/api.ts");
  const api = await openKubeApi({
    ...text("kubeconfig") === undefined ? {} : { kubeconfig: text("kubeconfig")! },
    ...text("context") === undefined ? {} : { context: text("context")! },
    userAgent: "bobravoz-certificates",
  });
  const options: KeeperOptions = {
    api,
    namespace,
    authority: installation.ca,
    certificates: Object.entries(certifiedServices).map(([secret, services]) => ({
      secret,
      dnsNames: services.flatMap((service) => serviceNames(service, namespace, domain)),
    })),
    webhookConfiguration: text("webhook-configuration") ?? installation.webhookConfiguration,
    clock: systemClock,
    log,
  };
  try {
    if (engrams.length > 0) {
      const wanted = engrams.map((each) => ({ ...each, dnsNames: serviceNames("*", each.namespace, domain) }));
      await issueSecrets(options, wanted, io.signal);
    } else if (values["once"] === true) await keepCertificates(options, io.signal);
    else await keepOn(options, io.signal);
    return 0;
  } finally {
    api.close();
  }
}

/** `NAMESPACE/SECRET`. */
function readEngram(text: string): { readonly namespace: string; readonly secret: string } {
  const [namespace = "", secret = "", ...rest] = text.split("/");
  if (namespace === "" || secret === "" || rest.length > 0) {
    throw usage("certificates", `--engram is NAMESPACE/SECRET[,NAMESPACE/SECRET…], not "${text}"`);
  }
  return { namespace, secret };
}

async function keepOn(options: KeeperOptions, signal: AbortSignal): Promise<void> {
  let retryMs = firstRetryMs;
  while (!signal.aborted) {
    let waitMs = intervalMs;
    try {
      await keepCertificates(options, signal);
      retryMs = firstRetryMs;
    } catch (error) {
      if (signal.aborted) return;
      options.log.warn("certificates are not looked after", { error: String(error), retryMs });
      waitMs = retryMs;
      retryMs = Math.min(retryMs * 2, intervalMs);
    }
    // ends early when it is told to stop
    await pause(waitMs, undefined, { signal }).catch(() => {});
  }
}
