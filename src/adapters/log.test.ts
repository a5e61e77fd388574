import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createLog, isLogLevel } from "./log.ts";

const log = suite("log");

log("a line is one JSON object with time, level, message and fields", () => {
  const lines: string[] = [];
  const { info } = createLog({ write: (line) => lines.push(line), nowMs: () => 0, fields: { namespace: "demo" } });
  info("child started", { step: "mic", generation: 2, reason: undefined });
  assert.equal(lines, [
    '{"time":"1970-01-01T00:00:00.000Z","level":"info","message":"child started","namespace":"demo","step":"mic","generation":2}\n',
  ]);
});

log("lines below the level are dropped", () => {
  const lines: string[] = [];
  const logger = createLog({ write: (line) => lines.push(line), level: "warn" });
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  logger.error("d");
  assert.equal(lines.map((line) => JSON.parse(line).message), ["c", "d"]);
});

log("only names of levels are levels", () => {
  assert.ok(isLogLevel("debug"));
  assert.not(isLogLevel("loud"));
});

log.run();
