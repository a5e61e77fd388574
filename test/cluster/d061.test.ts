// What a connector's report makes of its TransportBinding on a real API server.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ControlAction } from "../../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../../src/adapters/clock.ts";
import { startNode } from "../../src/bin/node.ts";
import { bindingName } from "../../src/contract/compose.ts";
import { readHubConfig } from "../../src/contract/hub-config.ts";
import { apiVersions, fieldManagers } from "../../src/contract/names.ts";
import type { Condition, Resource, TransportBinding } from "../../src/contract/resources.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { type ApiObject, openApi } from "../support/apiserver/api.ts";
import { sharedBed, testOnCluster } from "../support/apiserver/bed.ts";
import { connectorBed } from "../support/connector-bed.ts";
import { within } from "../support/deadline.ts";
import { engram, story, storyRun, transport } from "../support/objects.ts";

const test = suite("a connector's report on an API server");

testOnCluster(
  test,
  "D-061 the TransportBinding gets Ready and the negotiated codecs once the engram opened Control, on an API server",
  async () => {
    await using bed = await sharedBed();
    using api = openApi(bed.kubeconfig);
    const namespace = await api.namespace("d061");
    const speech = `speech-${namespace}`;
    const { openKubeApi } = await import("../../src/adapters/cluster/kube/api.ts");
    const { KubeCluster } = await import("../../src/adapters/cluster/kube.ts");
    const kube = await openKubeApi({ kubeconfig: bed.kubeconfig });
    const place = (object: Resource, spec: object = object.spec): object => ({
      apiVersion: apiVersions[object.kind],
      kind: object.kind,
      metadata: { name: object.metadata.name, ...object.kind === "Transport" ? {} : { namespace } },
      spec: JSON.parse(JSON.stringify(spec)),
    });
    const voice = story("voice", ["a"]);
    await api.create(place(transport(speech)));
    await api.create(place(engram("a")));
    await api.create(place(voice, { ...voice.spec, transports: [{ name: "main", transportRef: speech }] }));
    await api.create(place(storyRun("run", "voice")));
    const node = await startNode({
      cluster: new KubeCluster({ api: kube, clock: systemClock, log: silentLog, namespace }),
      listen: { host: "127.0.0.1", port: 0 },
      admin: null,
      tls: null,
      advertised: null,
      config: readHubConfig(() => undefined).config,
      clock: systemClock,
      log: silentLog,
    });
    try {
      await within(10_000, "the first list", node.control.synced);
      const env = {
        BOBRAVOZ_DISCOVERY_ENDPOINT: node.address,
        BUBU_TRANSPORT_BINDING: "",
        BUBU_HUB_ENDPOINT: "",
        BUBU_POD_NAMESPACE: namespace,
      };
      await using connector = await connectorBed({ hub: node.address, step: "a", env });
      const path = `/apis/${apiVersions.TransportBinding}/namespaces/${namespace}/transportbindings/${
        bindingName("run", "a")
      }`;
      const ready = (object: ApiObject | undefined): Condition | undefined =>
        (object?.["status"] as TransportBinding["status"])?.conditions?.find(({ type }) => type === "Ready");
      const early = await api.until(path, (object) => ready(object) !== undefined, 15_000);
      assert.equal([ready(early)?.status, ready(early)?.reason], ["False", "ConnectorStarting"]);
      assert.is(early?.["status"].negotiatedAudio, undefined);
      await using a = connector.engram();
      await a.directive(ControlAction.CONNECTOR_READY);
      const late = await api.until(path, (object) => ready(object)?.status === "True", 15_000);
      assert.is(ready(late)?.reason, "TransportReady");
      const { negotiatedAudio, negotiatedBinary } = late!["status"] as NonNullable<TransportBinding["status"]>;
      assert.equal([negotiatedAudio?.name, negotiatedBinary], ["pcm16", "application/json"]);
      // written by a manager of its own, which owns Ready and the codecs alone (DECISIONS X-10)
      const managed = late!.metadata["managedFields"] as unknown as readonly { manager: string; fieldsV1: object }[];
      const owner = managed.find(({ manager }) => manager === fieldManagers.connector);
      assert.match(JSON.stringify(owner?.fieldsV1), "f:negotiatedAudio");
      assert.not.match(JSON.stringify(owner?.fieldsV1), "f:endpoint");
    } finally {
      await node.close(500);
      kube.close();
      await api.delete(`/apis/${apiVersions.Transport}/transports/${speech}`);
    }
  },
);

test.run();
