/** Verdicts on callers' identities, for Prometheus; every label is a word of a closed list. */
import client from "prom-client";
import type { IdentityGate } from "./gate.ts";

/** Adds `bobravoz_identity_verdicts_total` to a registry, read from the gates at each scrape. */
export function addIdentityCounter(registry: client.Registry, gates: readonly IdentityGate[]): void {
  if (gates.length === 0) return;
  new client.Counter({
    name: "bobravoz_identity_verdicts_total",
    help: "Callers whose identity was looked at, by what came of it",
    labelNames: ["surface", "mode", "reason"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { surface, mode, reason, count } of gates.flatMap((gate) => gate.counts())) {
        this.inc({ surface, mode, reason }, count);
      }
    },
  });
}
