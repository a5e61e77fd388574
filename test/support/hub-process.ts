/** `bobravoz hub` as a process of its own, on the runtime of the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { apiVersions } from "../../src/contract/names.ts";
import type { Resource } from "../../src/contract/resources.ts";
import { Signal, within } from "./deadline.ts";
import { root } from "./sources.ts";

export interface HubProcess extends AsyncDisposable {
  /** `host:port` of the gRPC port. */
  readonly address: string;
  /** Settles once it is ready: it listens before it has read its manifests. */
  ready(): Promise<void>;
  /** Settles once the log has a line with this message. */
  logged(message: string): Promise<void>;
  /** Sends the signal and settles with the exit code, null where the signal ended it. */
  stop(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
}

/** A folder with `objects` as manifests, removed when it is disposed. */
export async function manifestFolder(objects: readonly Resource[]): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "bobravoz-hub-"));
  const documents = objects.map((object) => JSON.stringify({ apiVersion: apiVersions[object.kind], ...object }));
  await writeFile(join(path, "all.yaml"), documents.join("\n---\n"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Starts a hub over a folder; settles when it listens. `port` 0 takes a free one. */
export async function startHub(folder: string, port: number): Promise<HubProcess> {
  const runtime = "Deno" in globalThis ? ["run", "--no-check", "-A"] : [];
  const args = ["hub", "--manifests", folder, "--listen", `127.0.0.1:${port}`, "--health-listen", "127.0.0.1:0"];
  const program = join(root, "src", "bin", "bobravoz.ts");
  const child: ChildProcess = spawn(process.execPath, [...runtime, program, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const signal = new Signal();
  const lines: Record<string, unknown>[] = [];
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (more: string) => {
    const parts = (text + more).split("\n");
    text = parts.pop() ?? "";
    // what a runtime itself prints is no JSON
    for (const line of parts) if (line.startsWith("{")) lines.push(JSON.parse(line));
    signal.notify();
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const find = (message: string) => lines.find((line) => line["message"] === message);
  const { address, health } = await signal.until("a hub that listens", () => find("hub listens"), 10_000);
  return {
    address: String(address),
    async ready() {
      const isReady = async () => {
        while ((await (await fetch(`http://${health}/readyz`)).text()) !== "ok\n") await pause(5);
      };
      await within(10_000, "a hub that is ready", isReady());
    },
    async logged(message) {
      await signal.until(message, () => find(message) !== undefined);
    },
    stop(name) {
      // child.kill() of Deno 2.9 makes every exit after it one by that signal
      process.kill(child.pid!, name);
      return within(12_000, "the end of the hub", exited);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
