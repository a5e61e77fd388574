import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faultText, parseManifests } from "./manifests.ts";

const manifests = suite("manifests");

const transport = `apiVersion: transport.bubustack.io/v1alpha1
kind: Transport
metadata:
  name: speech
spec:
  provider: bobravoz
  driver: bobravoz-grpc
`;

manifests("several documents of a file are all read", () => {
  const text = `# a comment\n${transport}---\n${transport.replace("speech", "other")}---\n`;
  const { objects, faults } = parseManifests("all.yaml", text);
  assert.equal(faults, []);
  assert.equal(objects.map(({ object, line, column }) => [object.metadata.name, line, column]), [
    ["speech", 5, 3],
    ["other", 13, 3],
  ]);
});

manifests("every fault names file, line and column, all at once", () => {
  const text = `${transport.replace("  driver", "  drivr")}---\nkind: [\n---\n${
    transport.replace("Transport", "Trnsport")
  }`;
  const { objects, faults } = parseManifests("bad.yaml", text);
  assert.equal(objects, []);
  assert.equal(faults.map(faultText), [
    "bad.yaml:5:1: spec.driver is missing",
    "bad.yaml:7:3: unknown field spec.drivr",
    ...faults.filter((fault) => fault.line > 8 && fault.line < 11).map(faultText),
    'bad.yaml:12:1: kind "Trnsport" is unknown in transport.bubustack.io',
  ]);
  assert.ok(faults.some((fault) => fault.line === 9 || fault.line === 10), "the unclosed list is told");
});

manifests("JSON is read with positions, JSON files that are no manifests are skipped", () => {
  const text = JSON.stringify(
    { apiVersion: "bubustack.io/v1alpha1", kind: "Engram", metadata: { name: "a" }, spec: {} },
    null,
    2,
  );
  assert.equal(parseManifests("engram.json", text).faults.map(faultText), [
    "engram.json:7:3: spec.templateRef is missing",
  ]);
  assert.equal(parseManifests("package.json", '{"name": "voice"}'), { objects: [], faults: [] });
  assert.is(parseManifests("values.yaml", "name: voice").faults.length, 1);
});

manifests("a duplicate key and an empty file", () => {
  assert.match(parseManifests("a.yaml", "kind: a\nkind: b\n").faults.map(faultText).join(), /^a\.yaml:2:1: /);
  assert.equal(parseManifests("a.yaml", "\n# nothing\n"), { objects: [], faults: [] });
});

manifests.run();
