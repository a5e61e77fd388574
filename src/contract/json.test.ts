import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jsonValue, parseJson, utf8Bytes, utf8Text } from "./json-text.ts";
import { compactJson, compareUtf8, writeJson } from "./json-write.ts";
import type { JsonValue } from "./resources.ts";

const test = suite("json");

function fault(text: string): string {
  const parsed = parseJson(text);
  return "fault" in parsed ? parsed.fault : "";
}

function value(text: string): JsonValue {
  const parsed = parseJson(text);
  if ("fault" in parsed) throw new Error(parsed.fault);
  const read = jsonValue(parsed.node);
  if ("fault" in read) throw new Error(read.fault);
  return read.value;
}

test("a bad text is refused in Go's words", () => {
  assert.is(fault(""), "unexpected end of JSON input");
  assert.is(fault('{"a":'), "unexpected end of JSON input");
  assert.is(fault('"abc'), "unexpected end of JSON input");
  assert.is(fault('{"a":1,}'), "invalid character '}' looking for beginning of object key string");
  assert.is(fault("{} x"), "invalid character 'x' after top-level value");
  assert.is(fault("nul"), "invalid character ' ' in literal null (expecting 'l')");
  assert.is(fault("01"), "invalid character '1' after top-level value");
  assert.is(fault("-"), "invalid character ' ' in numeric literal");
  assert.is(fault("1."), "invalid character ' ' after decimal point in numeric literal");
  assert.is(fault('"\\x"'), "invalid character 'x' in string escape code");
  assert.is(fault('"\\'), "invalid character ' ' in string escape code");
  assert.is(fault('"\\u12'), "invalid character ' ' in \\u hexadecimal character escape");
  assert.is(fault('"a\nb"'), "invalid character '\\n' in string literal");
  assert.is(fault("\ufeff{}"), "invalid character 'ï' looking for beginning of value");
  assert.is(fault("[1 2]"), "invalid character '2' after array element");
  assert.is(fault('{"a" 1}'), "invalid character '1' after object key");
});

test("depth is bounded as Go bounds it, without a stack of our own running out", () => {
  assert.is(fault("[".repeat(10_000) + "]".repeat(10_000)), "");
  assert.is(fault("[".repeat(10_001)), "invalid character '[' exceeded max depth");
});

test("of repeated names the last counts, whole; a lone surrogate becomes U+FFFD", () => {
  assert.equal(value('{"a":{"x":1},"a":{"y":2}}'), { a: { y: 2 } });
  assert.is(value('"\\ud800x"'), "\ufffdx");
  assert.equal(Object.keys(value('{"__proto__":1}') ?? {}), ["__proto__"]);
});

test("keys are sorted by bytes, numbers are float64, negative zero stays", () => {
  assert.is(
    writeJson(value('{"\uffff":1,"\u{1f642}":2,"b":-0,"B":1e21}')),
    '{"B":1e+21,"b":-0,"\uffff":1,"\u{1f642}":2}',
  );
  assert.is(writeJson('<&>\u2028\u0000\b\u007f"\\'), '"\\u003c\\u0026\\u003e\\u2028\\u0000\\b\u007f\\"\\\\"');
});

test("compacting keeps numbers, order and repeated names", () => {
  assert.is(
    compactJson(' { "b" : 1.0 , "a":[ 1e3 ],"b": "< \\" >" } '),
    '{"b":1.0,"a":[1e3],"b":"\\u003c \\" \\u003e"}',
  );
});

test("bytes that are no characters become one U+FFFD each, as in Go", () => {
  assert.is(utf8Text(new Uint8Array([0x61, 0xe2, 0x82, 0xff, 0x62])), "a\ufffd\ufffd\ufffdb");
  assert.is(utf8Text(utf8Bytes("drüber 日本 🙂")), "drüber 日本 🙂");
});

test("writing then reading is identity, and writing is stable", () => {
  fc.assert(fc.property(fc.jsonValue({ depthSize: "small" }), (given) => {
    const text = writeJson(given as JsonValue);
    // `JSON.stringify` on both sides: what JSON can not tell apart is the same value.
    assert.is(JSON.stringify(sorted(value(text))), JSON.stringify(sorted(given as JsonValue)));
    assert.is(writeJson(value(text)), text);
    assert.is(compactJson(text), text);
  }));
});

test("the order of keys is that of their UTF-8 bytes", () => {
  const text = fc.string({ unit: "binary", maxLength: 8 });
  fc.assert(fc.property(text, text, (a, b) => {
    assert.is(Math.sign(compareUtf8(a, b)), Math.sign(compareBytes(utf8Bytes(a), utf8Bytes(b))));
  }));
});

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
}

function sorted(given: JsonValue): JsonValue {
  if (Array.isArray(given)) return given.map(sorted);
  if (typeof given === "string") return given.toWellFormed();
  if (typeof given !== "object" || given === null) return given;
  const members = Object.entries(given).map(([key, member]) => [key, sorted(member)] as const);
  return Object.fromEntries(members.sort(([a], [b]) => a < b ? -1 : 1));
}

test.run();
