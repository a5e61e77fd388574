/** Every object of a cluster, to see what something left behind. */
import type { Api } from "./api.ts";

/** Kinds that the cluster makes by itself, whatever is installed. */
const ownKinds = new Set(["events", "leases", "componentstatuses", "apiservices", "endpoints", "endpointslices"]);

/** `group/resource namespace/name` of all objects but those that the cluster makes by itself, in order. */
export async function everything(api: Api): Promise<string[]> {
  const groups = (await api.get("/apis"))["groups"] as { readonly preferredVersion: { groupVersion: string } }[];
  const bases = ["/api/v1", ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)];
  const found = await Promise.all(bases.map(async (base) => {
    const resources = (await api.get(base))["resources"] as { readonly name: string; readonly verbs: string[] }[];
    const listed = resources.filter(({ name, verbs }) => verbs.includes("list") && !ownKinds.has(name));
    const objects = await Promise.all(listed.map(async ({ name }) => {
      const items = await api.list(`${base}/${name}`);
      return items.map(({ metadata }) => `${base.split("/")[2]}/${name} ${metadata.namespace ?? ""}/${metadata.name}`);
    }));
    return objects.flat();
  }));
  return found.flat().sort();
}
