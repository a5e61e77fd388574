/**
 * Which API server, and who we are there: kubeconfig or the pod's own account, read by `@kubernetes/client-node`.
 * kubernetes-fluent-client reads the same sources itself for every request, so both are pointed at the same place.
 */
import { Buffer } from "node:buffer";
import { rmSync, writeFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { KubeConfig } from "@kubernetes/client-node";
import { TransportError } from "../../../contract/errors.ts";

export interface KubeSource {
  /** Path of a kubeconfig; default KUBECONFIG, then `~/.kube/config`, then the pod's ServiceAccount. */
  readonly kubeconfig?: string | undefined;
  /** A context of it; default its current one. */
  readonly context?: string | undefined;
}

/** What a connection is made with; the agent is rebuilt when any of it but the headers changes. */
export interface Credentials {
  readonly tls: Pick<RequestOptions, "ca" | "cert" | "key" | "rejectUnauthorized" | "servername">;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Loads the source and sets KUBECONFIG to it, which is where kubernetes-fluent-client looks. So a process watches with
 * the credentials that it loaded last. Throws `InvalidConfiguration` where nothing is found.
 */
export function loadKubeConfig(source: KubeSource): KubeConfig {
  const config = new KubeConfig();
  try {
    if (source.kubeconfig !== undefined) process.env["KUBECONFIG"] = source.kubeconfig;
    config.loadFromDefault();
    if (source.context !== undefined && source.context !== config.getCurrentContext()) selectContext(config, source);
  } catch (cause) {
    if (cause instanceof TransportError) throw cause;
    throw new TransportError("InvalidConfiguration", `kubeconfig can not be read: ${messageOf(cause)}`, {}, { cause });
  }
  if (config.getCurrentCluster() === null) {
    throw new TransportError("InvalidConfiguration", `kubeconfig has no context "${config.getCurrentContext()}"`);
  }
  return config;
}

/** Of several files in KUBECONFIG the last one's `current-context` holds: one more file, without any secret in it. */
function selectContext(config: KubeConfig, { context = "" }: KubeSource): void {
  if (config.getContextObject(context) === null) {
    const known = config.getContexts().map(({ name }) => name).join(", ");
    throw new TransportError("InvalidConfiguration", `kubeconfig has no context "${context}", it has ${known}`);
  }
  const file = join(tmpdir(), `bobravoz-context-${process.pid}.yaml`);
  const head = { apiVersion: "v1", kind: "Config", clusters: [], users: [], contexts: [] };
  writeFileSync(file, JSON.stringify({ ...head, "current-context": context }), { mode: 0o600 });
  process.once("exit", () => rmSync(file, { force: true }));
  const files = process.env["KUBECONFIG"] || join(process.env["HOME"] ?? "", ".kube", "config");
  process.env["KUBECONFIG"] = [...files.split(delimiter).filter((path) => path !== file), file].join(delimiter);
  config.setCurrentContext(context);
}

/** Reads them anew: a token file that was rotated, an exec plugin's answer, a renewed certificate. */
export async function readCredentials(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    throw new TransportError("Unavailable", `no credentials: ${messageOf(cause)}`, {}, { cause });
  }
  const { ca, cert, key, servername, rejectUnauthorized, auth } = options;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value);
  if (typeof auth === "string") headers["authorization"] = `Basic ${Buffer.from(auth).toString("base64")}`;
  return {
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(servername === undefined ? {} : { servername }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    },
    headers,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
