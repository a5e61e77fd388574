/**
 * The operator's configuration while it runs: what can be obeyed at once is, and the rest is said once, in the log and in
 * a condition (DECISIONS K-33).
 */
import { TransportError } from "../contract/errors.ts";
import type { Log } from "../contract/runtime.ts";
import { changedKeys, configText, type OperatorConfig, type ReadConfig } from "../contract/operator-config.ts";
import { type OperatorKey, type OperatorKeyFacts, operatorKeys } from "../contract/operator-keys.ts";

/** Whether what is configured is in force, as a condition says it. */
export interface InForce {
  readonly status: "True" | "False";
  readonly reason: "InForce" | "RestartNeeded" | "Refused";
  readonly message: string;
}

export interface OperatorSettingsOptions {
  readonly read: ReadConfig;
  /** Whose keys count. */
  readonly program: OperatorKeyFacts["by"];
  readonly log: Log;
  /** Told when it is another one than before. */
  readonly onInForce: (inForce: InForce) => void;
}

export class OperatorSettings {
  readonly #options: OperatorSettingsOptions;
  readonly #started: OperatorConfig;
  #config: OperatorConfig;
  #inForce: InForce = { status: "True", reason: "InForce", message: "the configuration is in force" };
  #faults: readonly string[];

  constructor(options: OperatorSettingsOptions) {
    this.#options = options;
    this.#started = this.#config = options.read.config;
    this.#faults = options.read.faults;
  }

  /** What is in force: keys that need a restart have the value of the start. */
  get config(): OperatorConfig {
    return this.#config;
  }

  /** Whether all that is configured is in force. */
  get inForce(): InForce {
    return this.#inForce;
  }

  /** Takes over what was read anew, as far as it can be. */
  update({ config, faults, refusals }: ReadConfig): void {
    const { program, log } = this.#options;
    if (faults.join() !== this.#faults.join()) {
      for (const fault of faults) log.warn("configuration ignored", { fault });
    }
    this.#faults = faults;
    if (refusals.length > 0) {
      this.#say({ status: "False", reason: "Refused", message: `not taken over: ${refusals.join("; ")}` });
      return;
    }
    const { live } = changedKeys(this.#config, config, program);
    const { atRestart } = changedKeys(this.#started, config, program);
    const kept = atRestart.map((key) => [key, this.#started[key]]);
    // the same keys with values of the same types
    this.#config = Object.freeze({ ...config, ...Object.fromEntries(kept) }) as OperatorConfig;
    if (live.length > 0) log.info("configuration taken over", { keys: keysText(live, config) });
    this.#say(
      atRestart.length === 0 ? { status: "True", reason: "InForce", message: "the configuration is in force" } : {
        status: "False",
        reason: "RestartNeeded",
        message: `a restart is needed for ${keysText(atRestart, config)}`,
      },
    );
  }

  #say(inForce: InForce): void {
    const { log, onInForce } = this.#options;
    if (inForce.message === this.#inForce.message) return;
    this.#inForce = inForce;
    if (inForce.status === "True") log.info("configuration is in force");
    else log.warn("configuration is not in force", { reason: inForce.reason, error: inForce.message });
    onInForce(inForce);
  }
}

/** Keys with values: `a=1, b=2`. */
function keysText(keys: readonly OperatorKey[], config: OperatorConfig): string {
  return keys.map((key) => `${key}=${configText(key, config[key])}`).join(", ");
}

/**
 * Begins with a configuration: says what is in force and, with `more` that was found elsewhere, what is ignored. Throws
 * `InvalidConfiguration` where a value must not be passed over.
 */
export function acceptConfiguration(read: ReadConfig, log: Log, more: readonly string[] = []): void {
  if (read.refusals.length > 0) throw new TransportError("InvalidConfiguration", read.refusals.join("; "));
  for (const fault of new Set([...read.faults, ...more])) log.warn("configuration ignored", { fault });
  log.info("configuration", configFields(read));
}

/** The effective configuration as fields of one log line: what differs from the default, and from where it is. */
export function configFields({ config, sources }: ReadConfig): Readonly<Record<string, string>> {
  const keys = Object.keys(operatorKeys) as OperatorKey[];
  return Object.fromEntries(keys.map((key) => {
    const source = sources[key];
    return [key, `${configText(key, config[key])}${source === "default" ? "" : ` (${source})`}`];
  }));
}
