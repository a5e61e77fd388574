/** The recorded conversations of unmodified Go SDK engrams as part of the suite; `npm run test:vectors` lists them. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readRecording } from "../vectors/conversation/recording.ts";
import { replay } from "../vectors/conversation/replay.ts";

const test = suite("recorded conversations");
const folder = fileURLToPath(new URL("../vectors/conversations", import.meta.url));

/** Statements that a conversation shows for a real SDK. */
const statements: Readonly<Record<string, string>> = {
  minimal: "D-048",
  required: "D-049",
  "capabilities-first": "D-049",
  echo: "D-053",
  burst: "D-053",
  reconnect: "D-055",
  heartbeats: "D-059",
};

for (const name of readdirSync(folder).filter((each) => each.endsWith(".json")).sort()) {
  const plain = name.replace(/\.json$/, "");
  test(`${statements[plain] === undefined ? "" : `${statements[plain]} `}${plain} goes by the page, both ways`, async () => {
    assert.equal(await replay(readRecording(join(folder, name))), []);
  });
}

test.run();
