/** The drivers that bindings may name, and what makes each: a new transport is one line here. */
import type { Driver } from "../../connector/driver.ts";
import { GrpcDriver, type GrpcDriverOptions } from "./grpc.ts";
import { MemoryDriver, type MemoryNetwork } from "./memory.ts";

export interface DriverDeps extends GrpcDriverOptions {
  /** What the programs of one process share, for the driver that never leaves it. */
  readonly memory: MemoryNetwork;
}

/** By the name that stands in `Transport.spec.driver`. */
export const drivers = {
  "bobravoz-grpc": (deps) => new GrpcDriver(deps),
  "memory": (deps) => new MemoryDriver(deps.memory),
} as const satisfies Readonly<Record<string, (deps: DriverDeps) => Driver>>;

export type DriverName = keyof typeof drivers;

export const driverNames: ReadonlySet<string> = new Set(Object.keys(drivers));
