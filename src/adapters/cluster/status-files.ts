/**
 * The objects that a cluster over a directory writes itself, as YAML files under `DIR/.bobravoz/`: bindings whole,
 * the status of everything else alone. A file is replaced in one step, and only when its text changes.
 */
import { mkdir, readdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { apiVersions } from "../../contract/names.ts";
import { parseResource } from "../../contract/parse-resources.ts";
import type { Resource, TransportBinding } from "../../contract/resources.ts";
import type { Log } from "../../contract/runtime.ts";

export const statusDirectory = ".bobravoz";

export class StatusFiles {
  readonly #directory: string;
  readonly #log: Log;
  readonly #written = new Map<string, string>();
  // null: the file is to go
  readonly #dirty = new Map<string, string | null>();
  #writing: Promise<void> | null = null;
  #failed = false;

  constructor(directory: string, log: Log) {
    this.#directory = join(directory, statusDirectory);
    this.#log = log;
  }

  /**
   * Bindings that an earlier process left. Their status is left out: it told of connectors that are gone. Files that do
   * not parse are removed at the next write, with a line in the log.
   */
  async read(): Promise<readonly TransportBinding[]> {
    const bindings: TransportBinding[] = [];
    for (const file of await readdir(this.#directory).catch(() => [])) {
      if (!file.endsWith(".yaml")) continue;
      const text = await readFile(join(this.#directory, file), "utf8").catch(() => "");
      this.#written.set(file, text);
      const object = parsed(text);
      if (object?.kind === "TransportBinding" && fileOf(object) === file) {
        const { status: _, ...binding } = object;
        bindings.push(binding);
      } else {
        // The status of something else, to be worked out anew, or a binding that somebody broke.
        if (object === null && file.startsWith("transportbinding.")) {
          this.#log.warn("status file does not parse and is removed", { file });
        }
        this.#dirty.set(file, null);
      }
    }
    return bindings;
  }

  /** Brings the object's file up to date; nothing happens for an object of which the cluster wrote nothing. */
  upsert(object: Resource, whole: boolean): void {
    if (!whole && object.status === undefined) return;
    const { name, namespace } = object.metadata;
    const head = { apiVersion: apiVersions[object.kind], kind: object.kind };
    const { resourceVersion: _, ...metadata } = object.metadata;
    const document = whole
      ? { ...head, metadata, spec: object.spec, status: object.status }
      : { ...head, metadata: { name, namespace }, status: object.status };
    this.#set(fileOf(object), stringify(document, { lineWidth: 0 }));
  }

  remove(object: Resource): void {
    this.#set(fileOf(object), null);
  }

  /** Settles when everything up to now is on disk, or has failed to get there (which is logged once). */
  flushed(): Promise<void> {
    if (this.#dirty.size === 0 && this.#writing === null) return Promise.resolve();
    return this.#writing ??= this.#write().finally(() => this.#writing = null);
  }

  #set(file: string, text: string | null): void {
    const same = text === null ? !this.#written.has(file) : this.#written.get(file) === text;
    if (same) this.#dirty.delete(file);
    else this.#dirty.set(file, text);
    void this.flushed();
  }

  async #write(): Promise<void> {
    // Events of one turn are written together.
    await Promise.resolve();
    for (let next = this.#dirty.entries().next(); !next.done; next = this.#dirty.entries().next()) {
      const [file, text] = next.value;
      this.#dirty.delete(file);
      const path = join(this.#directory, file);
      try {
        if (text === null) {
          this.#written.delete(file);
          await unlink(path).catch((error) => {
            if (error.code !== "ENOENT") throw error;
          });
        } else {
          this.#written.set(file, text);
          await this.#replace(path, text);
        }
        this.#failed = false;
      } catch (error) {
        // What is in force does not depend on the files: a folder that can not be written is worth one line.
        if (!this.#failed) this.#log.warn("status files can not be written", { path, error: String(error) });
        this.#failed = true;
      }
    }
  }

  async #replace(path: string, text: string): Promise<void> {
    const temporary = `${path}.tmp`;
    try {
      await writeFile(temporary, text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await mkdir(this.#directory, { recursive: true });
      await writeFile(join(this.#directory, ".gitignore"), "*\n");
      await writeFile(temporary, text);
    }
    await rename(temporary, path);
  }
}

/** The file of an object, within the status directory. */
export function fileOf(object: Resource): string {
  const { namespace, name } = object.metadata;
  return [object.kind.toLowerCase(), ...namespace === undefined ? [] : [namespace], name, "yaml"].join(".");
}

function parsed(text: string): Resource | null {
  try {
    return parseResource(parse(text)).resource;
  } catch {
    // Not YAML: the caller says so.
    return null;
  }
}
