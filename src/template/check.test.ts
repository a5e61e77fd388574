import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkTemplate, realtimeRuntime, scopeFault, type TemplateScope } from "./check.ts";
import { normalizeTemplate } from "./normalize.ts";

const test = suite("check");

const onlyInputs: TemplateScope = {
  name: "static",
  roots: ["inputs"],
  allowNow: false,
  allowRandom: false,
  allowRange: false,
};

test("a bare root gets its dot, outside of texts and comments", () => {
  assert.is(normalizeTemplate('{{ eq inputs.a "inputs.b" }} inputs.c'), '{{ eq .inputs.a "inputs.b" }} inputs.c');
  assert.is(normalizeTemplate('{{ steps["a-b"].c }}'), '{{ (index .steps "a-b").c }}');
  assert.is(normalizeTemplate('{{ inputs["a"]["b"] }}'), '{{ (index (index .inputs "a") "b") }}');
  assert.is(normalizeTemplate("{{ inputs.a"), "{{ inputs.a");
});

test("what reads outside of its scope is named", () => {
  assert.is(scopeFault("{{ packet.a }}", onlyInputs), "context 'packet' is not allowed for static templates");
  assert.is(scopeFault("{{ .zz }}", onlyInputs), "unknown context 'zz' is not allowed for static templates");
  assert.is(scopeFault('{{ index . "steps" }}', onlyInputs), "context 'steps' is not allowed for static templates");
  assert.is(scopeFault("{{ $.packet.a }}", onlyInputs), null);
  assert.is(scopeFault("{{ range inputs.l }}x{{ end }}", onlyInputs), "range is not allowed for static templates");
});

test("what Go's parser refuses is refused", () => {
  for (
    const bad of [
      "{{ 1",
      "{{ }}",
      "{{ end }}",
      "{{ if }}x{{ end }}",
      "{{ if 1 }}x",
      "{{ nofn }}",
      "{{ now }}",
      "{{ $x }}",
      '{{ "a }}',
      "{{ (1 }}",
      "{{ 1 | 2 }}",
      "{{ break }}",
      "{{/* x",
      "{{ 'ab' }}",
      "{{ inputs.list[0] }}",
    ]
  ) assert.match(scopeFault(bad, onlyInputs) ?? "accepted", /^template: /, bad);
});

test("what Go's parser takes is taken", () => {
  for (
    const good of [
      "plain",
      "{{- inputs.a -}} x",
      "{{/* c */}}{{ inputs.a | default 5 }}",
      "{{ if inputs.a }}a{{ else if inputs.b }}b{{ else }}c{{ end }}",
      "{{ with $x := inputs.o }}{{ $x.a }}{{ end }}",
      '{{ printf "%s" (upper inputs.a) }}',
      '{{ define "x" }}{{ packet.y }}{{ end }}',
    ]
  ) assert.is(scopeFault(good, onlyInputs), null, good);
  assert.is(scopeFault("{{ range $i, $v := packet.l }}{{ $v.x }}{{ break }}{{ end }}", realtimeRuntime), null);
});

test("functions that read the machine are refused by name", () => {
  assert.is(checkTemplate('{{ env "A" }}', realtimeRuntime), "template expression uses disallowed function 'env'");
  assert.is(checkTemplate("env {{ packet.a }}", realtimeRuntime), null);
});

test.run();
