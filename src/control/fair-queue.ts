/**
 * What waits, and whose turn it is: urgent keys before others but never for ever, and within each the groups in turn,
 * so that a group with a thousand keys delays one with a single key by one place.
 *
 *     urgent  demo:  a b c      others  demo:  d
 *             other: x                  other: y z
 *     takes   a x b c … and after every eighth urgent one, one of the others
 */

/** Urgent keys that are taken in a row while others wait. */
export const urgentInARow = 8;

type Lane = Map<string, Set<string>>;

export class FairQueue {
  readonly #groupOf: (key: string) => string;
  readonly #urgent: Lane = new Map();
  readonly #others: Lane = new Map();
  #row = 0;
  #size = 0;

  constructor(groupOf: (key: string) => string) {
    this.#groupOf = groupOf;
  }

  get size(): number {
    return this.#size;
  }

  /** A key that waits already keeps its place; one that has become urgent waits among the urgent ones. */
  add(key: string, isUrgent: boolean): void {
    const group = this.#groupOf(key);
    if (this.#urgent.get(group)?.has(key)) return;
    if (this.#others.get(group)?.has(key)) {
      if (!isUrgent) return;
      this.#drop(this.#others, group, key);
    }
    const lane = isUrgent ? this.#urgent : this.#others;
    const keys = lane.get(group);
    if (keys === undefined) lane.set(group, new Set([key]));
    else keys.add(key);
    this.#size += 1;
  }

  /** Takes the key whose turn it is; null when none waits. */
  take(): string | null {
    const hasOthers = this.#others.size > 0;
    const isUrgent = this.#urgent.size > 0 && (!hasOthers || this.#row < urgentInARow);
    this.#row = isUrgent && hasOthers ? this.#row + 1 : 0;
    const lane = isUrgent ? this.#urgent : this.#others;
    for (const [group, keys] of lane) {
      const [key = ""] = keys;
      this.#drop(lane, group, key);
      // the next turn is another group's
      if (lane.delete(group) && keys.size > 0) lane.set(group, keys);
      return key;
    }
    return null;
  }

  clear(): void {
    this.#urgent.clear();
    this.#others.clear();
    this.#size = 0;
  }

  #drop(lane: Lane, group: string, key: string): void {
    const keys = lane.get(group);
    if (keys?.delete(key)) this.#size -= 1;
    if (keys?.size === 0) lane.delete(group);
  }
}
