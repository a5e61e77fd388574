/**
 * `bobravoz webhook`: gives the pods of engrams their connector when they are created (control-plane section 7). It keeps
 * no copy of the cluster: what a pod needs is read when it is created, and most need one object or none.
 */
import { AdmissionMetrics } from "../adapters/admission/metrics.ts";
import { clusterReads, managerImage, placementOf, type Requester } from "../adapters/admission/reads.ts";
import { type AdmissionServer, listenAdmission } from "../adapters/admission/server.ts";
import { factsOf, followPair, type ServingPair } from "../adapters/admission/serving-certificate.ts";
import { systemClock } from "../adapters/clock.ts";
import { listenAdmin } from "../adapters/http/admin.ts";
import { listenMetrics } from "../adapters/http/metrics-port.ts";
import { createLog } from "../adapters/log.ts";
import { isTransportError } from "../contract/errors.ts";
import { connectorImage, readOperatorConfig } from "../contract/operator-config.ts";
import type { Log } from "../contract/runtime.ts";
import { injectConnector, type InjectOptions } from "../control/inject.ts";
import type { Io } from "./io.ts";
import { loadKube } from "./kube-client.ts";
import { acceptConfiguration, OperatorSettings } from "./operator-settings.ts";
import { version } from "./version-text.ts";
import { readWebhookOptions, type WebhookOptions } from "./webhook-options.ts";

/** How long answers that are under way may take when it stops. */
const closeLimitMs = 5_000;
/**
 * How long a pod that stops goes on answering: the API server learns a moment later that it is gone, and what it asks until
 * then would be refused.
 */
const lingerMs = 3_000;
/** Time for one question to the API server at the start. */
const startLimitMs = 15_000;

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const options = readWebhookOptions(argv, io.env);
  const { env } = io;
  const clock = systemClock;
  const log = createLog({ level: options.logLevel });
  for (const flag of options.ignored) log.warn("flag has no effect", { flag });
  const stopped = new Promise<void>((resolve) => io.signal.addEventListener("abort", () => resolve(), { once: true }));
  const kube = await loadKube();
  const api = await kube.openKubeApi({ ...options.kube, userAgent: `bobravoz-webhook/${version}` });
  const stop = new AbortController();
  const closing: (() => Promise<void>)[] = [];
  let pair: ServingPair | null = null;
  let server: AdmissionServer | null = null;
  const metrics = new AdmissionMetrics(version, () => pair === null ? null : factsOf(pair).notAfterMs);
  const missing = () => [
    ...io.signal.aborted ? ["the webhook is stopping"] : [],
    ...options.listen === null || pair !== null ? [] : ["the serving certificate is not there"],
    ...options.listen === null || server !== null ? [] : ["the webhook's port is closed"],
  ];
  try {
    const read = (configMap: Readonly<Record<string, string>> | null) =>
      readOperatorConfig({ configMap, env, flags: options.flags });
    const started = read(await kube.readConfigMap(api, options.config, io.signal));
    acceptConfiguration(started, log);
    const settings = new OperatorSettings({ read: started, program: "webhook", log, onInForce: () => {} });
    const limit = AbortSignal.any([io.signal, AbortSignal.timeout(startLimitMs)]);
    const ownImage = await imageOfOwnPod(api, env, log, limit);
    const placement = options.placement ?? await placementOf(api, limit);

    if (options.probes !== null) {
      const admin = await listenAdmin({ ...options.probes, missing, metrics });
      closing.push(() => admin.close());
      log.info("webhook answers probes", { address: admin.address });
    }
    if (options.metrics !== null) {
      closing.push(await openMetrics(options.metrics, metrics, kube.metricsAccess(api, clock), log));
    }
    const following = kube.followConfigMap(options.config, (data) => settings.update(read(data)), stop.signal);
    if (options.listen === null) {
      log.info("webhook is switched off", { by: "ENABLE_WEBHOOKS" });
      await Promise.race([stopped, following]);
      return io.signal.aborted ? 0 : 1;
    }
    const reads = clusterReads(api);
    const decided = (): InjectOptions => ({
      image: connectorImage(settings.config, ownImage),
      pullPolicy: settings.config["connector.image-pull-policy"],
      useTransportImage: settings.config["connector.use-transport-image"],
      resources: settings.config["connector.resources"],
      probe: settings.config["connector.probe"],
      placement,
      discoveryEndpoint: options.discoveryEndpoint,
      env,
    });
    const { listen } = options;
    const renewed = async (next: ServingPair): Promise<void> => {
      if (server !== null) server.renew(next);
      else {
        server = await listenAdmission({
          ...listen,
          pair: next,
          decide: (request, signal) => injectConnector(request, reads, decided(), signal),
          answered: (fact) => metrics.answered(fact),
          clock,
          log,
        });
        log.info("webhook listens", { address: server.address, placement, image: decided().image, server: api.server });
      }
      pair = next;
    };
    const certificates = followPair(options.certificate, renewed, { clock, log, signal: stop.signal });
    // none of these ends by itself while nothing fails
    await Promise.race([stopped, following, certificates]);
    log.info("webhook stops", { reason: io.signal.aborted ? "signal" : "cluster" });
    if (io.signal.aborted && env["POD_NAME"]?.trim()) {
      await Promise.race([new Promise<void>((resolve) => clock.after(lingerMs, resolve)), following, certificates]);
    }
    stop.abort();
    await Promise.allSettled([following, certificates]);
    return io.signal.aborted ? 0 : 1;
  } finally {
    stop.abort();
    await (server as AdmissionServer | null)?.close(closeLimitMs);
    server = null;
    for (const close of closing.reverse()) await close();
    api.close();
  }
}

/** The image that this pod's container `manager` runs (O-22); null outside of a pod, and where it cannot be read. */
async function imageOfOwnPod(
  api: Requester,
  env: Readonly<Record<string, string | undefined>>,
  log: Log,
  signal: AbortSignal,
): Promise<string | null> {
  const name = env["POD_NAME"]?.trim() ?? "";
  const namespace = env["POD_NAMESPACE"]?.trim() ?? "";
  if (name === "" || namespace === "") return null;
  try {
    return await managerImage(api, { namespace, name }, signal);
  } catch (error) {
    if (!isTransportError(error)) throw error;
    log.warn("own pod cannot be read, the connector's image is the configured one", {
      reason: error.reason,
      error: error.message,
    });
    return null;
  }
}

async function openMetrics(
  { address, secure }: NonNullable<WebhookOptions["metrics"]>,
  metrics: AdmissionMetrics,
  mayRead: (token: string, signal: AbortSignal) => Promise<boolean>,
  log: Log,
): Promise<() => Promise<void>> {
  const whole = secure === null ? null : { ...secure, mayRead };
  const port = await listenMetrics({ ...address, metrics, secure: whole, clock: systemClock, log });
  return () => port.close();
}
