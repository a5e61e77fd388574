/**
 * The load generator, a process of its own: `node bench/load.ts JOB` runs one job (see `job.ts`, as JSON) and prints
 * its result as JSON. The same code loads every subject, so what it costs is the same for all.
 */
import { CreditReturn } from "./credit-return.ts";
import { FrameCounter } from "./frame-counter.ts";
import type { IdleJob, IdleResult, Job, LoadResult, PacedJob, SaturatedJob } from "./job.ts";
import { buildSample, readStamp, writeStamp } from "./packets.ts";
import { openConnection, openPair, type Pair } from "./pair.ts";
import { cpuNanos, rssBytes } from "./process-stat.ts";

/** Bytes per write of a saturating producer: enough that the subject always finds a full window. */
const writeBytes = 128 * 1024;
/** Messages before the measured ones at least, so that a slow machine measures compiled code too. */
const warmMessages = 20_000;
/** How many times longer the warm-up may take for that. */
const warmStretch = 3;
/** How long the last messages may take. */
const drainLimitMs = 8000;
/** A paced producer that is this far ahead of the consumer waits. */
const maxLeadSeconds = 2;
const idleConnections = 10;

/** Delivered messages and CPU time at one moment. */
interface Moment {
  readonly atMs: number;
  readonly delivered: number;
  readonly subjectNanos: number | null;
  readonly loadMicros: number;
}

async function saturate(job: SaturatedJob): Promise<LoadResult> {
  const { frame } = buildSample(job.packetBytes, job.protocol === "engram");
  const perWrite = Math.max(1, Math.floor(writeBytes / frame.length));
  const chunk = Buffer.concat(Array<Buffer>(perWrite).fill(frame));
  const pair = await openPair(job.protocol, job.port, job.consumerPort);
  const counter = new FrameCounter(job.packetBytes, null);
  const credits = consume(pair, counter, job.returnsCredits);
  let sent = 0;
  let isOver = false;
  const pump = () => {
    while (!isOver) {
      sent += perWrite;
      if (!pair.producer.write(chunk)) return;
    }
  };
  pair.producer.on("drain", pump);
  pump();
  const [begin, end] = await measureWindow(job, counter, pair);
  isOver = true;
  await drained(() => counter.messages >= sent, pair);
  credits?.close();
  pair.close();
  return resultOf(begin, end, sent, counter.messages, null);
}

async function pace(job: PacedJob): Promise<LoadResult> {
  const sample = buildSample(job.packetBytes, job.protocol === "engram");
  const pair = await openPair(job.protocol, job.port, job.consumerPort);
  const seconds = job.warmSeconds + job.seconds;
  const latenciesMs = new Float64Array(Math.ceil(job.ratePerSecond * (seconds + 1)));
  let taken = 0;
  let isMeasuring = false;
  const counter = new FrameCounter(job.packetBytes, (bytes, start, end) => {
    if (isMeasuring && taken < latenciesMs.length) {
      latenciesMs[taken++] = performance.now() - readStamp(bytes, start, end);
    }
  });
  const credits = consume(pair, counter, job.returnsCredits);
  const spaceMs = 1000 / job.ratePerSecond;
  const maxLead = job.ratePerSecond * maxLeadSeconds;
  let dueMs = performance.now();
  let sent = 0;
  let isOver = false;
  // Spinning keeps the spacing even: a timer would send what is due of a whole millisecond in one burst.
  const tick = () => {
    if (isOver) return;
    const now = performance.now();
    while (dueMs <= now && sent - counter.messages < maxLead) {
      const frame = Buffer.from(sample.frame);
      writeStamp(frame, sample.stampAt, dueMs);
      pair.producer.write(frame);
      sent++;
      dueMs += spaceMs;
    }
    setImmediate(tick);
  };
  tick();
  const [begin, end] = await measureWindow(job, counter, pair, (measuring) => isMeasuring = measuring);
  isOver = true;
  await drained(() => counter.messages >= sent, pair);
  credits?.close();
  pair.close();
  return resultOf(begin, end, sent, counter.messages, latenciesMs.subarray(0, taken).sort());
}

async function idle(job: IdleJob): Promise<IdleResult> {
  const before = rssBytes(job.pid);
  let ended = 0;
  const onEnded = () => void ended++;
  const connections = [];
  for (let i = 0; i < idleConnections; i++) connections.push(await openConnection(job.protocol, job.port));
  for (let n = 0; n < job.streams; n++) {
    const connection = connections[n % idleConnections]!;
    // run 0 carries load elsewhere
    connection.open(1 + (n >> 1), n % 2 === 0 ? "consumer" : "producer", onEnded).resume();
    if (n % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await new Promise((resolve) => setTimeout(resolve, job.settleSeconds * 1000));
  const after = rssBytes(job.pid);
  const result = {
    rssPerStreamBytes: before === null || after === null ? null : (after - before) / job.streams,
    rssBeforeBytes: before,
    streams: job.streams,
    ended,
  };
  for (const connection of connections) connection.close();
  return result;
}

function consume(pair: Pair, counter: FrameCounter, returnsCredits: boolean): CreditReturn | null {
  const credits = returnsCredits ? new CreditReturn((frames) => pair.consumer.write(frames)) : null;
  let acknowledged = 0;
  pair.consumer.on("data", (chunk: Buffer) => {
    counter.read(chunk);
    if (credits === null) return;
    credits.taken(counter.messages - acknowledged, counter.lastBytes);
    acknowledged = counter.messages;
  });
  return credits;
}

async function measureWindow(
  job: SaturatedJob | PacedJob,
  counter: FrameCounter,
  pair: Pair,
  onMeasuring: (measuring: boolean) => void = () => {},
): Promise<readonly [Moment, Moment]> {
  const moment = (): Moment => {
    const { user, system } = process.cpuUsage();
    const nanos = [job.pid, ...job.morePids ?? []].map(cpuNanos);
    const subjectNanos = nanos.some((each) => each === null) ? null : nanos.reduce((sum, each) => sum! + each!, 0)!;
    return { atMs: performance.now(), delivered: counter.messages, subjectNanos, loadMicros: user + system };
  };
  const warmUntil = performance.now() + job.warmSeconds * warmStretch * 1000;
  await Promise.race([sleep(job.warmSeconds), pair.failed]);
  while (job.measure === "saturated" && counter.messages < warmMessages && performance.now() < warmUntil) {
    await Promise.race([sleep(0.05), pair.failed]);
  }
  onMeasuring(true);
  const begin = moment();
  await Promise.race([sleep(job.seconds), pair.failed]);
  const end = moment();
  onMeasuring(false);
  return [begin, end];
}

/** Waits for the last messages, at most `drainLimitMs`: what is missing then was lost. */
async function drained(isDone: () => boolean, pair: Pair): Promise<void> {
  const limit = performance.now() + drainLimitMs;
  while (!isDone() && performance.now() < limit) await Promise.race([sleep(0.02), pair.failed]);
}

function resultOf(
  begin: Moment,
  end: Moment,
  sent: number,
  delivered: number,
  latenciesMs: Float64Array | null,
): LoadResult {
  const seconds = (end.atMs - begin.atMs) / 1000;
  const messages = end.delivered - begin.delivered;
  const nanos = end.subjectNanos === null || begin.subjectNanos === null ? null : end.subjectNanos - begin.subjectNanos;
  return {
    seconds,
    messagesPerSecond: messages / seconds,
    cpuMicrosPerMessage: nanos === null || messages === 0 ? null : nanos / 1000 / messages,
    subjectCores: nanos === null ? null : nanos / 1e9 / seconds,
    loadCores: (end.loadMicros - begin.loadMicros) / 1e6 / seconds,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    sent,
    delivered,
  };
}

function quantile(sorted: Float64Array | null, q: number): number | null {
  if (sorted === null || sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function run(job: Job): Promise<LoadResult | IdleResult> {
  switch (job.measure) {
    case "saturated":
      return saturate(job);
    case "paced":
      return pace(job);
    case "idle":
      return idle(job);
    default:
      throw new Error(`no such measure: ${job satisfies never}`);
  }
}

// what our own bench wrote
const result = await run(JSON.parse(process.argv[2] ?? "") as Job);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
