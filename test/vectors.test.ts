// The golden vectors as part of the suite, on Node and on Deno; `npm run test:vectors` shows a line for each file.

import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runVectors } from "./vectors/runner.ts";

const it = suite("golden vectors");

it("every vector passes, or differs by a rule that is listed with its reason", () => {
  const lines: string[] = [];
  const counts = runVectors(fileURLToPath(new URL("vectors/", import.meta.url)), (line) => lines.push(line));
  assert.is(counts.failed, 0, lines.join("\n"));
  assert.ok(counts.passed > 0, lines.join("\n"));
});

it.run();
