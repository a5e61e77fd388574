/** Makes a `Packet` of scanned bytes: what is passed on as it came, without what the hub sets itself. */
import { Packet } from "./packet.ts";
import type { RequestScan } from "./scan.ts";
import type { SparseMessage } from "./sparse-message.ts";

/** Bodies up to this size are copied together when something is cut out of their middle; larger ones are sliced. */
const copyBelowBytes = 4096;

/**
 * `withoutInputs` leaves `inputs` out, for a target that has its own. The result refers to `bytes`, or to the parts of
 * `sparse` where `bytes` are only both ends of a message.
 */
export function buildPacket(
  bytes: Uint8Array,
  scan: RequestScan,
  withoutInputs: boolean,
  sparse: SparseMessage | null,
): Packet {
  let start = scan.packetStart;
  let end = scan.packetEnd;
  let cuts = scan.cuts;
  let partition: Uint8Array | null = null;
  if (cuts.length > 0 || withoutInputs) {
    if (scan.partitionStart >= 0) partition = bytes.slice(scan.partitionStart, scan.partitionEnd);
    if (withoutInputs && scan.inputsStart >= 0) cuts = insertCut(cuts, scan.inputsStart, scan.inputsEnd);
    // cuts at either end only move the ends
    let first = 0;
    let last = cuts.length;
    while (first < last && cuts[first] === start) {
      start = cuts[first + 1]!;
      first += 2;
    }
    while (last > first && cuts[last - 1] === end) {
      end = cuts[last - 2]!;
      last -= 2;
    }
    if (last > first || sparse !== null) {
      return cutInside(bytes, start, end, cuts, first, last, scan, withoutInputs, partition, sparse);
    }
  } else if (sparse !== null) {
    return cutInside(bytes, start, end, cuts, 0, 0, scan, false, null, sparse);
  }
  const hasInputs = scan.hasInputs && !withoutInputs;
  return new Packet(bytes, start, end, null, end - start, scan.lane, scan.hasContent, hasInputs, partition);
}

function cutInside(
  bytes: Uint8Array,
  start: number,
  end: number,
  cuts: readonly number[],
  first: number,
  last: number,
  scan: RequestScan,
  withoutInputs: boolean,
  partition: Uint8Array | null,
  sparse: SparseMessage | null,
): Packet {
  const parts: Uint8Array[] = [];
  let length = 0;
  let from = start;
  for (let i = first; i <= last; i += 2) {
    const to = i < last ? cuts[i]! : end;
    if (to > from) {
      if (sparse === null) {
        parts.push(bytes.subarray(from, to));
        length += to - from;
      } else {
        length += sparse.slice(from, to, parts);
      }
    }
    if (i < last) from = cuts[i + 1]!;
  }
  const hasInputs = scan.hasInputs && !withoutInputs;
  if (length > copyBelowBytes) {
    return new Packet(bytes, 0, 0, parts, length, scan.lane, scan.hasContent, hasInputs, partition);
  }
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return new Packet(joined, 0, length, null, length, scan.lane, scan.hasContent, hasInputs, partition);
}

function insertCut(cuts: readonly number[], start: number, end: number): number[] {
  const merged = [...cuts];
  let index = 0;
  while (index < merged.length && merged[index]! < start) index += 2;
  merged.splice(index, 0, start, end);
  return merged;
}
