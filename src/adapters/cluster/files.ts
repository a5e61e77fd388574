/**
 * A cluster over a directory of manifests: what stands in the files is what users applied, and what is written goes to
 * `DIR/.bobravoz/`. Knows files and their edits; what an API server would do, the cluster in memory does.
 */
import { type FSWatcher, watch as watchFiles } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Kind } from "../../contract/names.ts";
import { TransportError } from "../../contract/errors.ts";
import type { JsonObject, Resource, Resources } from "../../contract/resources.ts";
import type { Clock, Log, Timer } from "../../contract/runtime.ts";
import type { Cluster, ClusterEvent, ObjectEvent } from "../../control/cluster.ts";
import { faultText, type ManifestFault, manifestPattern, parseManifests, type Placed } from "./manifests.ts";
import { type CountedEvent, MemoryCluster } from "./memory.ts";
import { objectsInForce } from "./objects-in-force.ts";
import { StatusFiles } from "./status-files.ts";

export interface FilesOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with all faults that the directory has now, whenever they are others than before. */
  readonly onFaults?: (faults: readonly ManifestFault[]) => void;
}

/** What is known of one file. */
interface FileState {
  signature: string;
  /** The last good objects. */
  objects: readonly Placed[];
  faults: readonly ManifestFault[];
  /** Seen empty or gone once; believed the second time, since editors truncate and rename. */
  missedOnce: boolean;
}

// An editor writes in several steps: wait until it is quiet.
const debounceMs = 50;
// Where file events get lost (network folders, containers) an edit is still seen within this time.
const rescanMs = 1_000;

export class FilesCluster implements Cluster {
  readonly directory: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onFaults: (faults: readonly ManifestFault[]) => void;
  readonly #memory: MemoryCluster;
  readonly #status: StatusFiles;
  readonly #files = new Map<string, FileState>();
  // kind/namespace/name of what the files put in force
  #inForce = new Map<string, Resource>();
  #faults: readonly ManifestFault[] = [];
  #loaded: Promise<void> | null = null;
  #scanning: Promise<void> | null = null;
  #scanAgain = false;
  #soon: Timer | null = null;
  #watching = 0;
  #stopWatching: () => void = () => {};

  constructor(options: FilesOptions) {
    this.directory = options.directory;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onFaults = options.onFaults ?? (() => {});
    this.#memory = new MemoryCluster(options.clock);
    this.#status = new StatusFiles(options.directory, options.log);
  }

  /** Faults of the manifests as they stand. */
  get faults(): readonly ManifestFault[] {
    return this.#faults;
  }

  get events(): readonly CountedEvent[] {
    return this.#memory.events;
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Resources[K] | undefined {
    return this.#memory.get(kind, namespace, name);
  }

  /** Reads the directory once; later calls wait for the same reading. Throws `NotFound` when there is no directory. */
  load(): Promise<void> {
    return this.#loaded ??= this.#load();
  }

  async watch(onEvent: (event: ClusterEvent) => void, signal: AbortSignal): Promise<void> {
    await this.load();
    if (signal.aborted) return;
    if (++this.#watching === 1) this.#startWatching();
    try {
      await this.#memory.watch(onEvent, signal);
    } finally {
      if (--this.#watching === 0) this.#stopWatching();
      await this.#scanning;
      await this.#status.flushed();
    }
  }

  async create<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void> {
    await this.#memory.create(object, signal);
    await this.#status.flushed();
  }

  async replace<K extends Kind>(object: Resources[K], signal: AbortSignal): Promise<void> {
    await this.#memory.replace(object, signal);
    await this.#status.flushed();
  }

  async delete(kind: Kind, namespace: string, name: string, signal: AbortSignal): Promise<void> {
    await this.#memory.delete(kind, namespace, name, signal);
    await this.#status.flushed();
  }

  removeFinalizer(
    kind: Kind,
    namespace: string,
    name: string,
    finalizer: string,
    signal: AbortSignal,
  ): Promise<void> {
    // The manifest is its author's: it is not edited, and what is read from it is what the file says.
    return this.#memory.removeFinalizer(kind, namespace, name, finalizer, signal);
  }

  async applyStatus(
    kind: Kind,
    namespace: string,
    name: string,
    manager: string,
    status: JsonObject,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#memory.applyStatus(kind, namespace, name, manager, status, signal);
    await this.#status.flushed();
  }

  recordEvent(event: ObjectEvent): void {
    this.#memory.recordEvent(event);
  }

  async #load(): Promise<void> {
    const facts = await stat(this.directory).catch((cause) => {
      throw new TransportError("NotFound", `no directory ${this.directory}: ${cause.code ?? cause}`, {}, { cause });
    });
    if (!facts.isDirectory()) throw new TransportError("NotFound", `${this.directory} is not a directory`);
    const signal = new AbortController().signal;
    for (const binding of await this.#status.read()) this.#memory.put(binding);
    await this.#scan();
    // Bindings of runs that are no more.
    this.#memory.collect();
    void this.#memory.watch((event) => {
      if (event.type === "synced") return;
      if (event.type === "deleted") this.#status.remove(event.object);
      else this.#status.upsert(event.object, !this.#inForce.has(keyOf(event.object)));
    }, signal);
    await this.#status.flushed();
  }

  #startWatching(): void {
    const rescan = this.#clock.every(rescanMs, () => void this.#scan());
    let watcher: FSWatcher | null = null;
    try {
      watcher = watchFiles(this.directory, (_event, file) => {
        if (file === null || manifestPattern.test(file)) this.#scanSoon(debounceMs);
      });
      watcher.on("error", (error) => this.#log.debug("file events are lost", { error: String(error) }));
    } catch (error) {
      this.#log.debug("no file events, the folder is read again each second", { error: String(error) });
    }
    this.#stopWatching = () => {
      rescan.cancel();
      this.#soon?.cancel();
      this.#soon = null;
      watcher?.close();
    };
  }

  #scanSoon(delayMs: number): void {
    this.#soon?.cancel();
    this.#soon = this.#clock.after(delayMs, () => {
      this.#soon = null;
      void this.#scan();
    });
  }

  /** One scan at a time; one that is asked for meanwhile follows. */
  #scan(): Promise<void> {
    if (this.#scanning !== null) {
      this.#scanAgain = true;
      return this.#scanning;
    }
    return this.#scanning = this.#scanOnce()
      .catch((error) => this.#log.warn("the folder can not be read", { path: this.directory, error: String(error) }))
      .finally(() => {
        this.#scanning = null;
        if (this.#scanAgain && this.#watching > 0) this.#scanSoon(debounceMs);
        this.#scanAgain = false;
      });
  }

  async #scanOnce(): Promise<void> {
    const present = (await readdir(this.directory)).filter((file) => manifestPattern.test(file)).sort();
    let changed = false;
    for (const file of present) changed = await this.#readFile(file) || changed;
    for (const [file, state] of this.#files) {
      if (present.includes(file)) continue;
      if (this.#believe(state)) changed = this.#files.delete(file) || changed;
    }
    if (changed) this.#put();
  }

  async #readFile(file: string): Promise<boolean> {
    const path = join(this.directory, file);
    const facts = await stat(path).catch(() => null);
    if (facts === null || !facts.isFile()) return false;
    const signature = `${facts.ino} ${facts.size} ${facts.mtimeMs}`;
    const known = this.#files.get(file);
    if (known?.signature === signature) return false;
    const text = await readFile(path, "utf8").catch(() => null);
    if (text === null) return false;
    const { objects, faults } = parseManifests(file, text);
    if (known !== undefined && objects.length === 0 && faults.length === 0 && !this.#believe(known)) return false;
    // A broken edit leaves the last good objects of its file in force.
    const kept = faults.length > 0 ? known?.objects ?? [] : objects;
    this.#files.set(file, { signature, objects: kept, faults, missedOnce: false });
    return true;
  }

  /** Whether a file that looks empty or gone is so; asks for a second look where it was seen for the first time. */
  #believe(state: FileState): boolean {
    if (state.missedOnce || state.objects.length === 0) return true;
    state.missedOnce = true;
    this.#scanSoon(4 * debounceMs);
    return false;
  }

  /** Makes the objects of the files the ones in force, and tells of faults that are new. */
  #put(): void {
    const { objects, faults } = objectsInForce([...this.#files].sort(([a], [b]) => a < b ? -1 : 1));
    const next = new Map(objects.map((object) => [keyOf(object), object]));
    const gone = [...this.#inForce].filter(([key]) => !next.has(key));
    this.#inForce = next;
    for (const object of next.values()) this.#memory.put(object);
    for (const [, { kind, metadata }] of gone) this.#memory.remove(kind, metadata.namespace ?? "", metadata.name);
    this.#tell([...this.#files.values()].flatMap((state) => state.faults).concat(faults));
  }

  #tell(faults: readonly ManifestFault[]): void {
    const before = new Set(this.#faults.map(faultText));
    const now = new Set(faults.map(faultText));
    this.#faults = faults;
    if (before.size === now.size && [...now].every((text) => before.has(text))) return;
    for (const fault of faults.filter((fault) => !before.has(faultText(fault)))) {
      const { file, line, column } = fault;
      this.#log.error("manifest refused", { reason: "BadManifest", file, line, column, fault: fault.message });
      for (const { object: { kind, metadata } } of this.#files.get(file)?.objects ?? []) {
        const { namespace = "", name, uid } = metadata;
        const message = `${faultText(fault)}; the last good version stays in force`;
        this.recordEvent({ kind, namespace, name, uid, type: "Warning", reason: "BadManifest", message });
      }
    }
    if (faults.length === 0) this.#log.info("manifests are sound again", { path: this.directory });
    this.#onFaults(faults);
  }
}

function keyOf({ kind, metadata }: Resource): string {
  return `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
}
