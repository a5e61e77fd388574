/** `bobravoz certificates` as a process under its own account, with the rights of the manifests and no other. */
import { spawn } from "node:child_process";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { installation } from "../../src/contract/installation.ts";
import { type Api, openApi } from "../support/apiserver/api.ts";
import { type Bed, sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { objectsOf, type Permission, permissionsOf, type Role, rolesOf, withoutVerb } from "../support/manifests.ts";
import { root } from "../support/tools.ts";

const it = suite("certificates on an API server");
const secrets = [installation.ca, installation.hubTls, installation.webhookTls, installation.metricsTls];

/** The keeper's objects in a namespace of their own, those without one under its name. */
class Site {
  readonly #api: Api;
  readonly #bed: Bed;
  readonly namespace: string;
  readonly registration: string;
  readonly #roles: readonly Role[];

  constructor(api: Api, bed: Bed, namespace: string) {
    this.#api = api;
    this.#bed = bed;
    this.namespace = namespace;
    this.registration = `${namespace}-webhook`;
    this.#roles = rolesOf(installation.certificates).map((role) => this.#moved(role));
  }

  get permissions(): readonly Permission[] {
    return this.#roles.flatMap(permissionsOf);
  }

  #moved(role: Role): Role {
    const metadata = role.kind === "Role"
      ? { name: role.metadata.name, namespace: this.namespace }
      : { name: `${this.namespace}-certificates` };
    const rules = role.rules.map((rule) => ({
      ...rule,
      resourceNames: rule.resourceNames!.map((name) =>
        // each rule of this program has them
        name === installation.webhookConfiguration ? this.registration : name
      ),
    }));
    return { ...role, metadata, rules } as Role;
  }

  async create(): Promise<void> {
    const subjects = [{ kind: "ServiceAccount", name: installation.certificates, namespace: this.namespace }];
    await this.#api.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: subjects[0]! });
    for (const role of this.#roles) {
      await this.#api.create(role);
      const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: role.kind, name: role.metadata.name };
      await this.#api.create({ ...role, kind: `${role.kind}Binding`, rules: undefined, roleRef, subjects });
    }
    await this.clear();
  }

  /** Empty Secrets and a registration that trusts nobody, as they come with the manifests. */
  async clear(): Promise<void> {
    for (const name of secrets) {
      const path = `/api/v1/namespaces/${this.namespace}/secrets/${name}`;
      await this.#api.delete(path).catch(() => {}); // not there at first
      const [secret] = objectsOf("default").filter(({ kind, metadata }) => kind === "Secret" && metadata.name === name);
      await this.#api.create({ ...secret!, metadata: { name, namespace: this.namespace } });
    }
    await this.remove();
    const [webhook] = objectsOf("default").filter(({ kind }) => kind === "MutatingWebhookConfiguration");
    const webhooks = webhook!["webhooks"].map((each: object) => ({
      ...each,
      objectSelector: { matchLabels: { nobody: this.namespace } },
    }));
    await this.#api.create({ ...webhook!, metadata: { name: this.registration }, webhooks });
  }

  async grant(...roles: readonly Role[]): Promise<void> {
    for (const role of roles.length === 0 ? this.#roles : roles) await this.#api.apply(role, "test");
  }

  async remove(): Promise<void> {
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${this.registration}`;
    await this.#api.delete(path).catch(() => {}); // not there at first
  }

  /** Runs the program once under the account. */
  async run(): Promise<{ readonly code: number | null; readonly err: string }> {
    const kubeconfig = await this.#bed.account(this.namespace, installation.certificates);
    const args = ["--once", "--namespace", this.namespace, "--webhook-configuration", this.registration];
    const child = spawn(process.execPath, [join(root, "src/bin/bobravoz.ts"), "certificates", ...args], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 20_000,
    });
    let err = "";
    child.stderr.on("data", (text) => err += String(text));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, err };
  }

  async files(name: string): Promise<Record<string, string>> {
    const { data = {} } = await this.#api.get(`/api/v1/namespaces/${this.namespace}/secrets/${name}`);
    return Object.fromEntries(
      Object.entries(data as Record<string, string>).map((
        [file, text],
      ) => [file, Buffer.from(text, "base64").toString()]),
    );
  }
}

testOnCluster(it, "C-105 C-107 the keeper fills every Secret with the rights that it has", async () => {
  await using bed = await sharedBed();
  using api = openApi(bed.kubeconfig);
  const site = new Site(api, bed, await api.namespace("certificates"));
  await site.create();
  try {
    const { code, err } = await site.run();
    assert.is(code, 0, err);
    const authority = new X509Certificate((await site.files(installation.ca))["tls.crt"]!);
    for (const name of secrets.slice(1)) {
      const made = await site.files(name);
      const certificate = new X509Certificate(made["tls.crt"]!);
      assert.ok(certificate.verify(authority.publicKey), name);
      assert.match(certificate.subjectAltName ?? "", `.${site.namespace}.svc.cluster.local`);
      assert.is(made["ca.crt"], authority.toString());
    }
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${site.registration}`;
    const { clientConfig } = (await api.get(path))["webhooks"][0];
    assert.is(Buffer.from(clientConfig.caBundle, "base64").toString(), authority.toString());
    // an installation that is applied again takes the authority away, or does not: both are put right
    const before = await site.files(installation.hubTls);
    assert.is((await site.run()).code, 0);
    assert.equal(await site.files(installation.hubTls), before);
  } finally {
    await site.remove();
  }
});

testOnCluster(it, "C-105 without any one verb of its roles the keeper fails, and names what it lacks", async () => {
  await using bed = await sharedBed();
  using api = openApi(bed.kubeconfig);
  const site = new Site(api, bed, await api.namespace("certificates"));
  await site.create();
  try {
    assert.is(site.permissions.length, 4);
    for (const permission of site.permissions) {
      await site.clear();
      await site.grant(withoutVerb(permission));
      const { code, err } = await site.run();
      assert.is.not(code, 0, `${permission.verb} ${permission.resource} is not needed`);
      assert.match(err, permission.resource);
      await site.grant();
    }
  } finally {
    await site.remove();
  }
});

it.run();
