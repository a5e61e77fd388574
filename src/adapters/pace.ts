/** Spreads work that can wait over turns of the event loop, so that what cannot wait passes between. */
import { setImmediate } from "node:timers";

/** Returns a function whose promises settle in order, at most `perTurn` of them in one turn of the event loop. */
export function paced(perTurn: number): () => Promise<void> {
  const waiting: (() => void)[] = [];
  const release = (): void => {
    for (const resume of waiting.splice(0, perTurn)) resume();
    if (waiting.length > 0) setImmediate(release);
  };
  return () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(release);
    });
}
