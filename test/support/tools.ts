// Programs from elsewhere that some tests use as a second opinion. They are built into a cache folder by
// `npm run tools`; a test whose program is not there is left out, and the runner says so at its end.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "uvu";

export type GoProgram = {
  readonly module: string;
  readonly version: string;
  /** Modules at exact versions where the program's own does not say which it needs. */
  readonly pins?: readonly string[];
};

/** A Go program of ours. */
export type OwnProgram = {
  /** Folder of its module, from the root. */
  readonly source: string;
  /** Digest of its sources and of `proto/transport` where it has stubs. */
  readonly version: string;
  /** Plugins of protoc that generate stubs of grpc-go from `proto/` when it is built; none: it has no stubs. */
  readonly plugins?: readonly string[];
  readonly ldflags?: string;
  /** Names by which it is called too: links beside it. */
  readonly links?: readonly string[];
};

/** Packages of PyPI at exact versions; the program is a Python that finds them. */
export type PythonPackages = { readonly packages: readonly string[]; readonly version: string };

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Name of the binary → what builds it, at an exact version. */
export const tools = {
  connectconformance: { module: "connectrpc.com/conformance/cmd/connectconformance", version: "v1.0.7" },
  grpcurl: { module: "github.com/fullstorydev/grpcurl/cmd/grpcurl", version: "v1.9.4" },
  helm: { module: "helm.sh/helm/v4/cmd/helm", version: "v4.3.1" },
  h2spec: {
    module: "github.com/summerwind/h2spec/cmd/h2spec",
    version: "v2.2.1+incompatible",
    pins: ["github.com/fatih/color@v1.19.0", "github.com/spf13/cobra@v1.10.2", "golang.org/x/net@v0.62.0"],
  },
  interop: {
    source: "test/interop/go",
    version: digestOf("test/interop/go", "proto/transport/v1"),
    plugins: [
      "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11",
      "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0",
    ],
  },
  kubebox: {
    source: "test/support/apiserver/kubebox",
    version: digestOf("test/support/apiserver/kubebox"),
    // what GET /version says
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2",
    links: ["etcd", "kube-apiserver", "kube-controller-manager"],
  },
  "python-grpcio": { packages: ["grpcio==1.85.3", "grpcio-tools==1.85.1"], version: "1.85.3" },
  testbed: { source: "test/support/apiserver/runner", version: digestOf("test/support/apiserver/runner") },
} as const satisfies Record<string, GoProgram | OwnProgram | PythonPackages>;

export type ToolName = keyof typeof tools;

function digestOf(...folders: readonly string[]): string {
  const hash = createHash("sha256");
  for (const folder of folders) {
    for (const file of readdirSync(join(root, folder)).sort()) {
      hash.update(`${file}\0`).update(readFileSync(join(root, folder, file))).update("\0");
    }
  }
  return hash.digest("hex").slice(0, 12);
}

/** Folder of one program; a new version has a new one. BOBRAVOZ_CACHE moves them all, default .cache. */
export function toolFolder(name: ToolName): string {
  return join(process.env["BOBRAVOZ_CACHE"] || join(root, ".cache"), "tools", `${name}-${tools[name].version}`);
}

/** Path of the program's binary, or null where the cache lacks it. */
export function toolPath(name: ToolName): string | null {
  const path = join(toolFolder(name), name);
  return existsSync(path) ? path : null;
}

export function missingTools(): ToolName[] {
  // keys of a const table
  return (Object.keys(tools) as ToolName[]).filter((name) => toolPath(name) === null && needOf(name) === null);
}

/** What this machine lacks to have the program at all: its tests are optional then, also with CI=true. */
export function needOf(name: ToolName): OptionalNeed | null {
  return "packages" in tools[name] && !hasProgram("python3") ? "python3" : null;
}

/** Programs that are not built and need not be there, with what asks each for its version. */
const optionalNeeds = { python3: ["--version"], kubectl: ["version", "--client"] } as const;

export type OptionalNeed = keyof typeof optionalNeeds;

export function isOptionalNeed(program: string): program is OptionalNeed {
  return Object.hasOwn(optionalNeeds, program);
}

function hasProgram(name: OptionalNeed): boolean {
  return spawnSync(name, optionalNeeds[name], { timeout: 10_000 }).status === 0;
}

/** Which of these programs this machine lacks; null: none. */
export function lacking(...names: readonly OptionalNeed[]): OptionalNeed | null {
  return names.find((name) => !hasProgram(name)) ?? null;
}

/** Adds a test that needs `tool`; where the cache lacks it, the test is left out and counted as such. */
export function testWithTool(
  suite: Test,
  tool: ToolName,
  name: string,
  handler: (path: string) => Promise<void> | void,
): void {
  const path = toolPath(tool);
  if (path !== null) {
    suite(name, () => handler(path));
    return;
  }
  leaveOut(suite, tool, name);
}

/** Counts a test as left out for want of `tool`. */
export function leaveOut(suite: Test, tool: ToolName | OptionalNeed, name: string): void {
  console.error(`bobravoz-test: left out: ${isOptionalNeed(tool) ? tool : needOf(tool) ?? tool}: ${name}`);
  suite.skip(name);
}
