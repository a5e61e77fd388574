/**
 * The engrams of local mode: the programs of each step whose manifest says how to start it, kept in line with the
 * decisions. An edit that changes what a program was given starts them anew, as a new generation.
 */
import type { Clock, Log } from "../../contract/runtime.ts";
import type { ObjectEvent } from "../../control/cluster.ts";
import type { Decisions, RunDecision } from "../../control/decisions.ts";
import type { BindingDescription } from "../../topology/binding.ts";
import type { Exit } from "./child.ts";
import { type ProgramName, StepPrograms, type StepSpec } from "./step-programs.ts";

/** What differs from start to start of one program. */
export interface Start {
  readonly generation: number;
  /** RFC 3339. */
  readonly startedAt: string;
}

export interface ChildrenOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether a program that crashes is started again. */
  readonly restart: boolean;
  /** How to start a step; null for one that attaches from outside. Pure. */
  spec(decision: RunDecision, binding: BindingDescription, start: Start): StepSpec | null;
  readonly onLine: (binding: BindingDescription, program: ProgramName, line: string) => void;
  readonly onEvent: (event: ObjectEvent) => void;
  /** Told when the generation of a step has changed, so that its run is decided again. */
  readonly onGeneration: (namespace: string, storyRun: string) => void;
}

export type ChildState = "starting" | "running" | "restarting" | "done" | "crashed";

/** A program as it is now. */
export interface ChildReport {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
  readonly engram: string;
  readonly generation: number;
  readonly state: ChildState;
  readonly pid: number | null;
  /** How it ended when it crashed last; null when it never did. */
  readonly lastCrash: Crash | null;
}

/** How a program ended that should not have. */
export interface Crash extends Exit {
  readonly program: ProgramName;
}

interface Entry {
  decision: RunDecision;
  binding: BindingDescription;
  /** What the program was given, bar what differs from start to start. */
  given: string;
  generation: number;
  state: ChildState;
  lastCrash: Crash | null;
  child: StepPrograms | null;
  /** Stops and starts of one step follow each other. */
  work: Promise<void>;
}

const anyStart: Start = { generation: 0, startedAt: "" };

export class Children {
  readonly #options: ChildrenOptions;
  readonly #entries = new Map<string, Entry>();
  // Of steps that were there once: a program that comes back is not of an old generation.
  readonly #generations = new Map<string, number>();
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #decisions: Decisions | null = null;
  #unsubscribe: (() => void) | null = null;
  #isClosed = false;

  constructor(options: ChildrenOptions) {
    this.#options = options;
  }

  /** Starts what is decided, and follows the decisions until `close`. */
  start(decisions: Decisions): void {
    this.#decisions = decisions;
    this.#unsubscribe = decisions.subscribe((namespace, storyRun) => this.#follow(namespace, storyRun));
    for (const { namespace, storyRun } of decisions.runs()) this.#follow(namespace, storyRun);
  }

  /** The generation that a step's binding is meant for. */
  generation(namespace: string, storyRun: string, step: string): number {
    return this.#generations.get(keyOf(namespace, storyRun, step)) ?? 1;
  }

  list(): readonly ChildReport[] {
    return [...this.#entries.values()].map(({ binding, generation, state, lastCrash, child }) => ({
      namespace: binding.namespace,
      storyRun: binding.storyRun,
      step: binding.step,
      engram: binding.engram,
      generation,
      state,
      pid: child?.pid ?? null,
      lastCrash,
    }));
  }

  /**
   * Settles when every program has ended by itself with code 0, or one has crashed that is not started again.
   * Rejects when the signal fires.
   */
  async settled(signal: AbortSignal): Promise<readonly ChildReport[]> {
    for (;;) {
      signal.throwIfAborted();
      const children = this.list();
      if (children.some(({ state }) => state === "crashed")) return children;
      if (children.length > 0 && children.every(({ state }) => state === "done")) return children;
      await new Promise<void>((resolve, reject) => {
        const abort = () => reject(signal.reason);
        signal.addEventListener("abort", abort, { once: true });
        this.#waiting.push(() => {
          signal.removeEventListener("abort", abort);
          resolve();
        });
      });
    }
  }

  /** Stops every program and settles when all are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe?.();
    for (const key of [...this.#entries.keys()]) this.#leave(key);
    await Promise.all(this.#leaving.values());
  }

  #follow(namespace: string, storyRun: string): void {
    if (this.#isClosed) return;
    const decision = this.#decisions?.get(namespace, storyRun);
    const wanted = new Set<string>();
    for (const binding of decision?.bindings ?? []) {
      const given = this.#options.spec(decision!, binding, anyStart);
      if (given === null) continue;
      const key = keyOf(namespace, storyRun, binding.step);
      wanted.add(key);
      this.#keep(key, decision!, binding, JSON.stringify(given));
    }
    const prefix = keyOf(namespace, storyRun, "");
    for (const key of [...this.#entries.keys()]) if (key.startsWith(prefix) && !wanted.has(key)) this.#leave(key);
  }

  #keep(key: string, decision: RunDecision, binding: BindingDescription, given: string): void {
    const known = this.#entries.get(key);
    if (known === undefined) {
      const before = this.#generations.get(key);
      const entry: Entry = {
        decision,
        binding,
        given,
        generation: (before ?? 0) + 1,
        state: "starting",
        lastCrash: null,
        child: null,
        // The port is free when the program of before is gone.
        work: this.#leaving.get(key) ?? Promise.resolve(),
      };
      this.#entries.set(key, entry);
      return this.#begin(key, entry);
    }
    known.decision = decision;
    known.binding = binding;
    if (known.given === given) return;
    known.given = given;
    known.generation++;
    known.state = "starting";
    this.#begin(key, known);
  }

  /** Ends the program of before, if there is one, and starts the one of now. */
  #begin(key: string, entry: Entry): void {
    const { generation } = entry;
    const isNew = this.generation(entry.binding.namespace, entry.binding.storyRun, entry.binding.step) !== generation;
    this.#generations.set(key, generation);
    if (isNew) this.#options.onGeneration(entry.binding.namespace, entry.binding.storyRun);
    entry.work = entry.work.then(async () => {
      await entry.child?.stop();
      entry.child = null;
      // Meanwhile it may be gone, or be another one again.
      if (this.#entries.get(key) === entry && entry.generation === generation) this.#launch(entry);
    });
  }

  #launch(entry: Entry): void {
    const { clock, log, restart } = this.#options;
    const { decision, binding, generation } = entry;
    const startedAt = new Date(clock.nowMs()).toISOString();
    const spec = this.#options.spec(decision, binding, { generation, startedAt });
    if (spec === null) return;
    entry.child = new StepPrograms({
      spec,
      clock,
      restart,
      onLine: (program, _stream, line) => this.#options.onLine(entry.binding, program, line),
      onStart: (program, pid) => {
        log.info(`${program} started`, { ...fieldsOf(entry), pid });
        if (program === "engram") this.#set(entry, "running");
      },
      onDone: () => {
        log.info("engram ended", fieldsOf(entry));
        this.#set(entry, "done");
      },
      onCrash: (program, exit, retryMs) => {
        entry.lastCrash = { ...exit, program };
        log.warn(`${program} crashed`, { ...fieldsOf(entry), error: exit.text, retryMs: retryMs ?? undefined });
        this.#options.onEvent(crashEvent(entry, entry.lastCrash));
        if (retryMs === null) this.#set(entry, "crashed");
        else if (program === "engram") this.#set(entry, "restarting");
      },
    });
  }

  #leave(key: string): void {
    const entry = this.#entries.get(key)!;
    this.#entries.delete(key);
    const gone: Promise<void> = entry.work.then(() => entry.child?.stop()).then(() => {
      this.#options.log.info("engram stopped", fieldsOf(entry));
      if (this.#leaving.get(key) === gone) this.#leaving.delete(key);
    });
    this.#leaving.set(key, gone);
    this.#wake();
  }

  #set(entry: Entry, state: ChildState): void {
    entry.state = state;
    this.#wake();
  }

  #wake(): void {
    this.#waiting.splice(0).forEach((wake) => wake());
  }
}

function keyOf(namespace: string, storyRun: string, step: string): string {
  return `${namespace}/${storyRun}/${step}`;
}

function fieldsOf({ binding: { namespace, storyRun, step, engram }, generation }: Entry) {
  return { namespace, storyRun, step, engram, generation };
}

function crashEvent({ binding, decision, generation }: Entry, crash: Crash): ObjectEvent {
  const { namespace, storyRun } = binding;
  const message = `${crashSubject(binding, crash)} (generation ${generation}) crashed: ${crash.text}`;
  const { uid } = decision.run.metadata;
  return { kind: "StoryRun", namespace, name: storyRun, uid, type: "Warning", reason: "EngramCrashed", message };
}

/** `engram "e" of step "s"`, `connector of step "s"`. */
export function crashSubject(
  { engram, step }: Pick<BindingDescription, "engram" | "step">,
  { program }: Pick<Crash, "program">,
): string {
  return program === "engram" ? `engram "${engram}" of step "${step}"` : `connector of step "${step}"`;
}
