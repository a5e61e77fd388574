/** The public health-checking service over a table that the program keeps. */
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { Wake } from "./wake.ts";

/** Which services serve. `""` is the server as a whole, as the protocol has it. */
export class Health {
  readonly #serving: Map<string, boolean>;
  readonly #changed = new Set<() => void>();

  /** All `services`, and `""` with them, begin as not serving. */
  constructor(services: Iterable<string>) {
    this.#serving = new Map(["", ...services].map((service) => [service, false]));
  }

  /** Says whether `service` serves, and tells subscribers where that is news; without `service`: of all. */
  set(serving: boolean, service?: string): void {
    const services = service === undefined ? [...this.#serving.keys()] : [service];
    const news = services.filter((name) => this.#serving.get(name) !== serving);
    for (const name of news) this.#serving.set(name, serving);
    if (news.length > 0) { for (const changed of [...this.#changed]) changed(); }
  }

  /** Whether `service` serves; undefined for one that is unknown. */
  serving(service: string): boolean | undefined {
    return this.#serving.get(service);
  }

  /** Calls `changed` after any change. Returns how to stop. */
  subscribe(changed: () => void): () => void {
    this.#changed.add(changed);
    return () => void this.#changed.delete(changed);
  }
}

/** Adds `grpc.health.v1.Health`: Check (`NotFound` for an unknown service) and Watch (`SERVICE_UNKNOWN`, and waits). */
export function addHealth(router: ConnectRouter, health: Health): void {
  router.service(HealthService, {
    check({ service }) {
      const serving = health.serving(service);
      if (serving === undefined) throw new ConnectError(`unknown service "${service}"`, Code.NotFound);
      return { status: statusOfService(serving) };
    },
    watch: ({ service }, context) => watch(health, service, context),
  });
}

async function* watch(health: Health, service: string, { signal }: HandlerContext) {
  using wake = new Wake(signal);
  const stop = health.subscribe(() => wake.ring());
  try {
    let last: Status | null = null;
    for (;;) {
      const status = statusOfService(health.serving(service));
      if (status !== last) yield { status: last = status };
      else await wake.wait();
    }
  } finally {
    stop();
  }
}

function statusOfService(serving: boolean | undefined): Status {
  if (serving === undefined) return Status.SERVICE_UNKNOWN;
  return serving ? Status.SERVING : Status.NOT_SERVING;
}
