/** How long a hub that stops waits for its streams to take what waits for them, in milliseconds. */
export const drainLimitMs = 8_000;
