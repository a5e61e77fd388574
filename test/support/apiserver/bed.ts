/**
 * A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager, started by the Go
 * program in `runner/` and driven by lines on its stdin. It has no kubelet, no scheduler, no kube-proxy and no DNS.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Test } from "uvu";
import { leaveOut, toolPath } from "../tools.ts";
import { crdFolder } from "./crds.ts";

/** What is known of a control plane that is ready; paths are of files. */
export interface BedFacts {
  /** `https://127.0.0.1:PORT`. */
  readonly server: string;
  readonly ca: string;
  /** Of an administrator. */
  readonly kubeconfig: string;
  /** One JSON object per request. */
  readonly auditLog?: string;
  /** By program, of those that run; without kube-controller-manager nothing is collected as garbage. */
  readonly pids: Readonly<Record<string, number>>;
}

export interface BedAnswer {
  readonly kubeconfig?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly pids?: Readonly<Record<string, number>>;
}

export interface Bed extends BedFacts, AsyncDisposable {
  /** `start|stop|kill|pause|resume PROGRAM` or `compact`; settles when it is done. */
  command(line: string): Promise<BedAnswer>;
  /** Kubeconfig of a ServiceAccount that exists, valid for 24 h. */
  account(namespace: string, name: string): Promise<string>;
  /** Kubeconfig of a user. */
  user(name: string, ...groups: readonly string[]): Promise<string>;
  /** Files of a serving certificate for loopback and these names, signed by `ca`. */
  certificate(name: string, ...names: readonly string[]): Promise<{ certificate: string; key: string }>;
}

/** How a bed does what is asked of it. */
export interface BedLink {
  readonly facts: BedFacts;
  command(line: string): Promise<BedAnswer>;
  close(): Promise<void>;
}

/** Where etcd and kube-apiserver lie: KUBEBUILDER_ASSETS, else the cache; null where they or the runner are missing. */
export function bedPrograms(): { readonly runner: string; readonly assets: string } | null {
  const runner = toolPath("testbed");
  const kubebox = toolPath("kubebox");
  const assets = process.env["KUBEBUILDER_ASSETS"] || (kubebox === null ? "" : dirname(kubebox));
  return runner !== null && existsSync(join(assets, "kube-apiserver")) ? { runner, assets } : null;
}

/** Starts one of its own, with the CRDs in place; about 5 s. `flags` are those of the runner. */
export async function startBed(...flags: readonly string[]): Promise<Bed> {
  const programs = bedPrograms();
  if (programs === null) throw new Error("no kube-apiserver: npm run tools builds it");
  const args = ["--assets", programs.assets, "--crds", crdFolder().folder, ...flags];
  const child = spawn(programs.runner, args, { stdio: ["pipe", "pipe", "inherit"] });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const waiting: { resolve: (answer: BedAnswer) => void; reject: (error: Error) => void }[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { event, command, error, ...answer } = JSON.parse(line) as { event: string; command: string; error: string };
    if (event === "exited") return;
    const next = waiting.shift();
    if (event === "failed") next?.reject(new Error(`${command}: ${error}`));
    else next?.resolve(answer as BedAnswer);
  });
  void closed.then(() => waiting.splice(0).forEach(({ reject }) => reject(new Error("the test bed has ended"))));
  const answer = () => new Promise<BedAnswer>((resolve, reject) => waiting.push({ resolve, reject }));
  const facts = await answer() as unknown as BedFacts;
  return bedOf({
    facts,
    command(line) {
      child.stdin.write(`${line}\n`);
      return answer();
    },
    close() {
      child.stdin.end();
      return closed;
    },
  });
}

/** The cluster that several test files share, where BOBRAVOZ_TEST_BED names one (host.ts); else one of its own. */
export async function sharedBed(): Promise<Bed> {
  const url = process.env["BOBRAVOZ_TEST_BED"];
  if (url === undefined || url === "") return await startBed();
  const ask = async (line?: string) => {
    const answer = await fetch(url, line === undefined ? {} : { method: "POST", body: line });
    if (!answer.ok) throw new Error(await answer.text());
    return await answer.json() as unknown;
  };
  const facts = await ask() as BedFacts;
  return bedOf({ facts, command: async (line) => await ask(line) as BedAnswer, close: () => Promise.resolve() });
}

function bedOf({ facts, command, close }: BedLink): Bed {
  return {
    ...facts,
    command,
    account: async (namespace, name) => (await command(`account ${namespace} ${name}`)).kubeconfig!,
    user: async (...words) => (await command(`user ${words.join(" ")}`)).kubeconfig!,
    async certificate(...names) {
      const { certificate = "", key = "" } = await command(`certificate ${names.join(" ")}`);
      return { certificate, key };
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Adds a test that needs an API server; where its programs are missing, it is left out and counted as such. */
export function testOnCluster(suite: Test, name: string, handler: () => Promise<void>): void {
  if (bedPrograms() !== null) suite(name, handler);
  else leaveOut(suite, toolPath("testbed") === null ? "testbed" : "kubebox", name);
}
