/** A cluster that is opened when it is first asked: a program can answer before it has loaded what reads its world. */
import type { Cluster } from "../../control/cluster.ts";

/** Every call waits for `open`, which is called once; its failure is every call's. */
export function lateCluster(open: () => Promise<Cluster>): Cluster {
  let opened: Promise<Cluster> | null = null;
  const cluster = () => opened ??= open();
  return {
    async watch(onEvent, signal) {
      const isOpen = await Promise.race([cluster().then(() => true), aborted(signal)]);
      if (isOpen) await (await cluster()).watch(onEvent, signal);
    },
    create: async (object, signal) => await (await cluster()).create(object, signal),
    replace: async (object, signal) => await (await cluster()).replace(object, signal),
    delete: async (kind, namespace, name, signal) => await (await cluster()).delete(kind, namespace, name, signal),
    removeFinalizer: async (kind, namespace, name, finalizer, signal) =>
      await (await cluster()).removeFinalizer(kind, namespace, name, finalizer, signal),
    applyStatus: async (kind, namespace, name, manager, status, signal) =>
      await (await cluster()).applyStatus(kind, namespace, name, manager, status, signal),
    recordEvent(event) {
      // like any Event that cannot be written; whoever watches hears why
      void cluster().then((cluster) => cluster.recordEvent(event), () => {});
    },
  };
}

/** Settles with false when the signal fires. */
function aborted(signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(false), { once: true }));
}
