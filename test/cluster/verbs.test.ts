/**
 * C-105, one verb at a time, computed from the rendered roles: what it is for is denied without it. That each is asked
 * for at all is what rights.test.ts shows.
 */
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { installation } from "../../src/contract/installation.ts";
import { grantAccess } from "../support/apiserver/access.ts";
import { type Api, openApi, pathOf } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { type Permission, permissionsOf, withoutVerb } from "../support/manifests.ts";

const it = suite("verbs on a cluster");

testOnCluster(it, "C-105 every verb is granted once: without it the API server denies what it is for", async () => {
  await using undo = new AsyncDisposableStack();
  const bed = undo.use(await sharedBed());
  const api = undo.use(openApi(bed.kubeconfig));
  const namespace = await api.namespace("rights");
  undo.defer(() => api.delete(`/api/v1/namespaces/${namespace}`));
  let verbs = 0;
  for (const name of [installation.controller, installation.webhook, installation.hub, installation.certificates]) {
    const roles = await grantAccess(api, namespace, name, undo);
    for (const role of roles) {
      for (const permission of permissionsOf(role)) {
        const may = () => isAllowed(api, namespace, name, permission);
        const what = `${name}: ${permission.verb} ${permission.resource}`;
        await becomes(what, may, true);
        await api.put(pathOf(role, true), withoutVerb(permission));
        await becomes(what, may, false);
        await api.put(pathOf(role, true), role);
        verbs++;
      }
    }
  }
  assert.ok(verbs > 50, String(verbs));
});

/** Whether the account may do what the permission is for, in our namespace or, by a ClusterRole, in any. */
async function isAllowed(api: Api, ours: string, name: string, permission: Permission): Promise<boolean> {
  const { role, index, group, resource: full, verb } = permission;
  const [resource, subresource] = full.split("/");
  const { resourceNames: [only] = [] } = role.rules[index]!; // the permission is of this rule
  const namespace = role.kind === "Role" ? ours : "default";
  const { status } = await api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: {
      user: `system:serviceaccount:${ours}:${name}`,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${ours}`, "system:authenticated"],
      resourceAttributes: { namespace, group, resource, subresource, verb, name: only },
    },
  });
  return status.allowed;
}

/** The authorizer learns of a role a little later. */
async function becomes(what: string, may: () => Promise<boolean>, wanted: boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (await may() !== wanted) {
    assert.ok(performance.now() < endMs, `${what} is ${wanted ? "not granted" : "granted twice"}`);
    await pause(5);
  }
}

it.run();
