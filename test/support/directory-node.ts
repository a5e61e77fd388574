/** A hub with control loop and discovery over a directory of manifests that a test wrote, as `bobravoz hub` starts it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { systemClock } from "../../src/adapters/clock.ts";
import { FilesCluster } from "../../src/adapters/cluster/files.ts";
import type { TlsFiles } from "../../src/adapters/grpc/options.ts";
import { type Node, startNode } from "../../src/bin/node.ts";
import { readHubConfig } from "../../src/contract/hub-config.ts";
import { apiVersions } from "../../src/contract/names.ts";
import type { Resource, TransportBinding } from "../../src/contract/resources.ts";
import { silentLog } from "../../src/contract/runtime.ts";

export interface DirectoryNode extends AsyncDisposable {
  readonly node: Node;
  /** A binding of `demo` as it stands. */
  binding(name: string): TransportBinding | undefined;
  /** Writes the manifests anew. */
  write(objects: readonly Resource[]): Promise<void>;
}

/** How peers reach it; default: in cleartext on loopback. */
export interface DirectoryNodeOptions {
  readonly host: string;
  readonly tls: TlsFiles;
}

export async function directoryNode(
  objects: readonly Resource[],
  secure: DirectoryNodeOptions | null = null,
): Promise<DirectoryNode> {
  const directory = await mkdtemp(join(tmpdir(), "bobravoz-"));
  const write = (all: readonly Resource[]) =>
    writeFile(
      join(directory, "all.yaml"),
      all.map((object) => stringify({ apiVersion: apiVersions[object.kind], ...object })).join("---\n"),
    );
  await write(objects);
  const cluster = new FilesCluster({ directory, clock: systemClock, log: silentLog });
  const node = await startNode({
    cluster,
    listen: { host: secure?.host ?? "127.0.0.1", port: 0 },
    admin: null,
    tls: secure?.tls ?? null,
    advertised: null,
    config: readHubConfig(() => undefined).config,
    decide: { peerTls: secure !== null },
    clock: systemClock,
    log: silentLog,
  });
  await node.control.synced;
  return {
    node,
    write,
    binding: (name) => node.control.world.get("TransportBinding", "demo", name),
    async [Symbol.asyncDispose]() {
      await node.close(200);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
