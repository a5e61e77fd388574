import * as assert from "uvu/assert";
import { suite } from "uvu";
import { type DescFile, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { file_bobravoz_discovery_v1_discovery } from "../gen/bobravoz/discovery/v1/discovery_pb.ts";
import { file_grpc_health_v1_health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection, type ServerReflectionResponse } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { file_transport_v1_hub } from "../gen/transport/v1/hub_pb.ts";
import { addReflection } from "../src/adapters/rpc/reflection.ts";
import { within } from "./support/deadline.ts";
import { serveRpc } from "./support/serve-rpc.ts";

const test = suite("reflection service");
const files: readonly DescFile[] = [
  file_bobravoz_discovery_v1_discovery,
  file_grpc_health_v1_health,
  file_transport_v1_hub,
];

async function ask(service: typeof ServerReflection | typeof ServerReflectionAlpha, questions: object[]) {
  await using server = await serveRpc((router) => addReflection(router, files));
  // Both versions have the same messages; the type of one stands for both.
  const client = createClient(service as typeof ServerReflection, createGrpcTransport({ baseUrl: server.url }));
  async function* requests() {
    for (const messageRequest of questions) yield { host: "h", messageRequest: messageRequest as { case: undefined } };
  }
  const answers: ServerReflectionResponse[] = [];
  const collect = async () => {
    for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer);
  };
  await within(5000, "answers", collect());
  return answers;
}

function filesOf(answer: Awaited<ReturnType<typeof ask>>[number] | undefined): FileDescriptorProto[] {
  assert.is(answer?.messageResponse.case, "fileDescriptorResponse");
  if (answer?.messageResponse.case !== "fileDescriptorResponse") throw new Error("no files");
  return answer.messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

for (const service of [ServerReflection, ServerReflectionAlpha]) {
  test(`${service.typeName} lists the services that are served`, async () => {
    const [answer] = await ask(service, [{ case: "listServices", value: "*" }]);
    assert.is(answer?.validHost, "h");
    assert.is(answer?.originalRequest?.messageRequest.case, "listServices");
    assert.is(answer?.messageResponse.case, "listServicesResponse");
    const response = answer?.messageResponse;
    if (response?.case !== "listServicesResponse") throw new Error("no services");
    assert.equal(response.value.service.map(({ name }) => name), [
      "bobravoz.discovery.v1.DiscoveryService",
      "grpc.health.v1.Health",
      "transport.v1.HubService",
    ]);
  });

  test(`${service.typeName} describes every symbol with all that its file imports`, async () => {
    const symbols = [
      "bobravoz.discovery.v1.DiscoveryService",
      "bobravoz.discovery.v1.DiscoveryService.GetBinding",
      "bobravoz.discovery.v1.Binding.effective_settings",
      "bobravoz.discovery.v1.EdgeMode",
      "bobravoz.discovery.v1.EDGE_MODE_HUB",
      "transport.v1.HubService",
      "transport.v1.DataPacket.MetadataEntry",
      "google.protobuf.Struct",
    ];
    const answers = await ask(service, symbols.map((value) => ({ case: "fileContainingSymbol", value })));
    for (const answer of answers) {
      const described = filesOf(answer);
      const names = new Set(described.map(({ name }) => name));
      for (const file of described) for (const name of file.dependency) assert.ok(names.has(name), name);
    }
    assert.is(filesOf(answers[0])[0]?.name, "bobravoz/discovery/v1/discovery.proto");
    assert.is(filesOf(answers[7])[0]?.name, "google/protobuf/struct.proto");
  });
}

test("files are found by their names, the well-known ones too", async () => {
  const names = ["bobravoz/discovery/v1/discovery.proto", "google/protobuf/duration.proto"];
  const answers = await ask(ServerReflection, names.map((value) => ({ case: "fileByFilename", value })));
  assert.equal(answers.map((answer) => filesOf(answer)[0]?.name), names);
});

test("what is unknown is answered as such, and the stream goes on", async () => {
  const answers = await ask(ServerReflection, [
    { case: "fileByFilename", value: "nobody.proto" },
    { case: "fileContainingSymbol", value: "transport.v1.HubService.Nobody" },
    { case: "fileContainingExtension", value: { containingType: "transport.v1.DataPacket", extensionNumber: 7 } },
    { case: "allExtensionNumbersOfType", value: "Nobody" },
    { case: undefined },
    { case: "allExtensionNumbersOfType", value: "transport.v1.DataPacket" },
  ]);
  const codes = answers.map(({ messageResponse: m }) => m.case === "errorResponse" ? m.value.errorCode : m.case);
  assert.equal(codes, [5, 5, 5, 5, 3, "allExtensionNumbersResponse"]);
});

test.run();
