/** The one suite for clusters, over memory and over a directory of manifests. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { systemClock } from "../src/adapters/clock.ts";
import { FilesCluster } from "../src/adapters/cluster/files.ts";
import { MemoryCluster } from "../src/adapters/cluster/memory.ts";
import { apiVersions } from "../src/contract/names.ts";
import { silentLog } from "../src/contract/runtime.ts";
import { clusterConformance } from "./cluster-conformance.ts";

clusterConformance("memory", () => {
  const cluster = new MemoryCluster(systemClock);
  return Promise.resolve({
    cluster,
    put: (object) => Promise.resolve(cluster.put(object)),
    remove: (kind, namespace, name) => Promise.resolve(cluster.remove(kind, namespace, name)),
    close: () => Promise.resolve(),
  });
});

clusterConformance("files", async () => {
  const directory = await mkdtemp(join(tmpdir(), "bobravoz-files-"));
  const path = (kind: string, name: string) => join(directory, `${kind}-${name}.yaml`);
  return {
    cluster: new FilesCluster({ directory, clock: systemClock, log: silentLog }),
    put: (object) => {
      const text = stringify({ apiVersion: apiVersions[object.kind], ...object });
      return writeFile(path(object.kind, object.metadata.name), text);
    },
    remove: (kind, _namespace, name) => rm(path(kind, name)),
    close: () => rm(directory, { recursive: true }),
  };
});
