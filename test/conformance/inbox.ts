// Messages that come by events, for code that asks for them.

export class Inbox<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #isEnded = false;
  #wake: () => void = () => {};

  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** The next one, or null after the last. One caller at a time. */
  async next(): Promise<T | null> {
    while (this.#items.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#items.shift() ?? null;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (let item = await this.next(); item !== null; item = await this.next()) yield item;
  }
}

/** All items, once there are no more. */
export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
