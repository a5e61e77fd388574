// `bobravoz why` against a real API server: causes that are planted there, found by name, with who must act.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bindingName } from "../../src/contract/compose.ts";
import { apiVersions } from "../../src/contract/names.ts";
import type { Resource } from "../../src/contract/resources.ts";
import type { Wait } from "../../src/control/why.ts";
import { openApi } from "../support/apiserver/api.ts";
import { type Bed, sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { Command } from "../support/command.ts";
import { within } from "../support/deadline.ts";
import { binding, engram, story, storyRun, transport } from "../support/objects.ts";

const test = suite("bobravoz why on an API server");

const place = (object: Resource, namespace: string): object => ({
  apiVersion: apiVersions[object.kind],
  ...JSON.parse(JSON.stringify(object)),
  metadata: { ...object.metadata, ...object.kind === "Transport" ? {} : { namespace } },
});

async function ask(bed: Bed, ...argv: readonly string[]): Promise<{ code: number; wait: Wait; err: string }> {
  const command = new Command(["why", ...argv, "--kubeconfig", bed.kubeconfig, "--output", "json"]);
  const code = await within(20_000, "an answer", command.done);
  return { code, err: command.err, wait: JSON.parse(command.out || "{}") as Wait };
}

testOnCluster(test, "each cause is named as the objects come one after the other", async () => {
  await using bed = await sharedBed();
  using api = openApi(bed.kubeconfig);
  const namespace = await api.namespace("why");
  const speech = `speech-${namespace}`;
  const seen: unknown[] = [];
  const look = async () => {
    const { wait } = await ask(bed, "run", "-n", namespace, "--operator-namespace", namespace);
    seen.push([wait.cause, wait.actor]);
    return wait;
  };
  try {
    assert.is((await ask(bed, "run", "-n", namespace)).code, 4);
    await look();
    const run = await api.create(place(storyRun("run", "talk"), namespace));
    await look();
    const talk = story("talk", ["a", "b[a]"]);
    const transports = [{ name: "main", transportRef: speech }];
    await api.create(place({ ...talk, spec: { ...talk.spec, transports, pattern: "batch" } }, namespace));
    await look();
    const storyPath = `/apis/${apiVersions.Story}/namespaces/${namespace}/stories/talk`;
    await api.patch(storyPath, { spec: { pattern: "realtime" } });
    assert.match((await look()).message, speech);
    await api.create(place(transport(speech, { routing: { maxDownstreams: 3 } }), namespace));
    for (const name of ["a", "b"]) await look().then(() => api.create(place(engram(name), namespace)));
    await look();
    const uid = run.metadata.uid!;
    for (const step of ["a", "b"]) {
      const known = { ...storyRun("run", "talk"), metadata: { name: "run", namespace, uid } };
      const made = binding(bindingName("run", step), known, step);
      await api.create(place({ ...made, spec: { ...made.spec, transportRef: speech } }, namespace));
    }
    const wait = await look();
    assert.is(wait.step, "a");
    await api.patch(storyPath, { metadata: { annotations: { "bobravoz.bubustack.io/transport": "nats" } } });
    await look();
    await api.patch(`/apis/${apiVersions.StoryRun}/namespaces/${namespace}/storyruns/run`, {
      metadata: { finalizers: ["test.example/held"] },
    });
    await api.delete(`/apis/${apiVersions.StoryRun}/namespaces/${namespace}/storyruns/run`);
    assert.match((await look()).message, "test.example/held");
    await api.patch(`/apis/${apiVersions.StoryRun}/namespaces/${namespace}/storyruns/run`, {
      metadata: { finalizers: null },
    });
    assert.equal(seen, [
      ["RunMissing", "you"],
      ["StoryMissing", "you"],
      ["StoryNotRealtime", "nobody"],
      ["TransportMissing", "a cluster administrator"],
      ["EngramMissing", "you"],
      ["EngramMissing", "you"],
      ["BindingFromController", "the bobravoz controller"],
      ["ControllerSilent", "the bobravoz controller"],
      ["UnknownTransportType", "you"],
      ["RunDeleting", "a cluster administrator"],
    ]);
  } finally {
    await api.delete(`/apis/${apiVersions.Transport}/transports/${speech}`).catch(() => {});
  }
});

test.run();
