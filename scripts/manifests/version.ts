/** The version of the project, which is that of its images and of its chart. */
import { readFileSync } from "node:fs";

export const version: string = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
).version;
