/**
 * The part of a kubelet that a StatefulSet of hubs needs on a cluster without one: a pod that appears is bound to a node
 * and its hub is started as a process on a loopback address of its own; the pod is Ready when the process says so, not
 * when it is gone, and a pod that is deleted has its process ended first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import type { Api, ApiObject } from "./apiserver/api.ts";
import { Signal } from "./deadline.ts";
import { root } from "./sources.ts";

export interface KubeletOptions {
  readonly api: Api;
  readonly namespace: string;
  /** Of the hubs' account. */
  readonly kubeconfig: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One start of a hub. */
export interface Started {
  readonly pod: string;
  /** When its process was started, listened and was ready, by `performance.now()`; NaN: not yet. */
  readonly spawnedMs: number;
  listensMs: number;
  readyMs: number;
  exitedMs: number;
  exitCode: number | null;
}

interface Running extends Started {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  address: string;
  health: string;
  readonly lines: Record<string, unknown>[];
}

const runtime = "Deno" in globalThis ? ["run", "--no-check", "-A"] : [];

export class HubKubelet implements AsyncDisposable {
  readonly #options: KubeletOptions;
  readonly #running = new Map<string, Running>();
  readonly #ready = new Map<string, boolean>();
  /** Every start so far. */
  readonly starts: Started[] = [];
  /** Rings when a process listens, is ready or ends. */
  readonly signal = new Signal();
  readonly #loop: Promise<void>;
  #isStopped = false;
  /** Pods that are not started again. */
  readonly held = new Set<string>();

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#loop = this.#work();
  }

  /** Where the pod with this DNS name listens; null: nowhere. What a cluster's DNS does. */
  resolve(endpoint: string): string | null {
    const running = this.#running.get(endpoint.split(".")[0]!);
    return running === undefined || running.address === "" ? null : running.address;
  }

  /** Lines of a pod's log. */
  lines(pod: string): readonly Record<string, unknown>[] {
    return this.#running.get(pod)?.lines ?? [];
  }

  /** Whether the pod's hub is ready, as the API server was told. */
  isReady(pod: string): boolean {
    return this.#ready.get(pod) === true;
  }

  /** Kills a pod's process as a crash would; it is not started again while `held` names it. */
  kill(pod: string): void {
    this.#running.get(pod)?.child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
    const all = [...this.#running.values()];
    for (const { child } of all) child.kill("SIGKILL");
    await Promise.all(all.map(({ exited }) => exited));
  }

  async #work(): Promise<void> {
    const { api, namespace } = this.#options;
    const node = `${namespace}-node`;
    await api.create({ apiVersion: "v1", kind: "Node", metadata: { name: node } });
    try {
      while (!this.#isStopped) {
        const pods = await api.list(`/api/v1/namespaces/${namespace}/pods`);
        for (const pod of pods) await this.#look(pod, node);
        await pause(50);
      }
    } finally {
      await api.delete(`/api/v1/nodes/${node}`);
    }
  }

  async #look(pod: ApiObject, node: string): Promise<void> {
    const { api, namespace } = this.#options;
    const { name } = pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const running = this.#running.get(name);
    if (pod.metadata["deletionTimestamp"] !== undefined) {
      if (running !== undefined) {
        if (!running.child.killed) running.child.kill("SIGTERM");
        return; // gone at a later look
      }
      await api.delete(`${path}?gracePeriodSeconds=0`).catch(() => {}); // gone already
      this.#ready.delete(name);
      return;
    }
    if (pod["spec"].nodeName === undefined) {
      const target = { apiVersion: "v1", kind: "Node", name: node };
      await api.post(`${path}/binding`, { apiVersion: "v1", kind: "Binding", metadata: { name }, target });
    }
    if (running === undefined && !this.held.has(name)) this.#start(name);
    const isReady = await this.#isUp(this.#running.get(name));
    if (isReady === (this.#ready.get(name) ?? null)) return;
    this.#ready.set(name, isReady);
    const condition = { type: "Ready", status: isReady ? "True" : "False" };
    const status = { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }], conditions: [condition] };
    await api.patch(`${path}/status`, { status }, "strategic-merge-patch");
    this.signal.notify();
  }

  async #isUp(running: Running | undefined): Promise<boolean> {
    if (running === undefined || running.health === "") return false;
    try {
      const answer = await fetch(`http://${running.health}/readyz`);
      if (await answer.text() !== "ok\n") return false;
    } catch {
      return false; // it is gone, or not up yet
    }
    if (Number.isNaN(running.readyMs)) running.readyMs = performance.now();
    return true;
  }

  #start(pod: string): void {
    const { namespace, kubeconfig, env } = this.#options;
    const index = Number(pod.slice(pod.lastIndexOf("-") + 1));
    const args = [
      ...["hub", "--in-cluster", "--kubeconfig", kubeconfig, `--listen=127.0.0.${11 + index}:0`],
      ...["--health-probe-bind-address=127.0.0.1:0", "--config-namespace", namespace, "--watch-namespace", namespace],
    ];
    const child = spawn(process.execPath, [...runtime, join(root, "src", "bin", "bobravoz.ts"), ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, KUBECONFIG: kubeconfig, POD_NAME: pod, POD_NAMESPACE: namespace, ...env },
    });
    const exited = Promise.withResolvers<void>();
    const running: Running = {
      pod,
      child,
      exited: exited.promise,
      address: "",
      health: "",
      lines: [],
      spawnedMs: performance.now(),
      listensMs: NaN,
      readyMs: NaN,
      exitedMs: NaN,
      exitCode: null,
    };
    this.#running.set(pod, running);
    this.starts.push(running);
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (more: string) => {
      const parts = (text + more).split("\n");
      text = parts.pop() ?? "";
      for (const line of parts) {
        // what a runtime itself prints is no JSON
        if (!line.startsWith("{")) continue;
        const entry = JSON.parse(line) as Record<string, unknown>;
        running.lines.push(entry);
        if (entry["message"] !== "hub listens") continue;
        running.address = String(entry["address"]);
        running.health = String(entry["health"]);
        running.listensMs = performance.now();
      }
      this.signal.notify();
    });
    child.once("exit", (code) => {
      running.exitedMs = performance.now();
      running.exitCode = code;
      if (this.#running.get(pod) === running) this.#running.delete(pod);
      this.signal.notify();
      exited.resolve();
    });
  }
}
