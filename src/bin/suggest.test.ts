import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nearest } from "./suggest.ts";

const suggesting = suite("did you mean");
const commands = ["local", "inspect", "bindings", "send", "recv", "hub", "version", "help"];

suggesting("a slip of the finger is understood", () => {
  assert.is(nearest("inspcet", commands), "inspect");
  assert.is(nearest("binding", commands), "bindings");
  assert.is(nearest("loc", commands), "local");
  assert.is(nearest("hbu", commands), "hub");
});

suggesting("something else is not", () => {
  assert.is(nearest("frobnicate", commands), null);
  assert.is(nearest("", commands), null);
});

suggesting.run();
