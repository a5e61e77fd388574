/**
 * Reads of an encoded ProcessRequest what routing needs, and checks the wire's limits, without decoding it.
 * Knows numbers and limits of data-plane 1.2 and 1.3; refuses to look into `payload`, `inputs` and frame bodies.
 *
 * The result is written into one reused `RequestScan`, since a scan runs per packet. What is rare (a field given
 * twice that protobuf merges, a group, text whose length in characters must be counted) is not judged here: the
 * scan says `unusual`, and the caller decodes, validates and encodes the packet plainly (`hub/normalize.ts`).
 */
import { isUtf8 } from "./utf8.ts";

/** What `scanRequest` found. Offsets are into the scanned buffer; valid until the next scan. */
export class RequestScan {
  /** Range of the DataPacket; `packetStart` is -1 where the request has none. */
  packetStart = -1;
  packetEnd = -1;
  /** Range of the FlowControl; `flowStart` is -1 where there is none. */
  flowStart = -1;
  flowEnd = -1;
  /** Index into `laneKinds` by the frame: 0 payload, 1 audio, 2 video, 3 binary. */
  lane = 0;
  hasContent = false;
  hasInputs = false;
  isHeartbeat = false;
  isChunked = false;
  inputsStart = -1;
  inputsEnd = -1;
  /** Range of field 3 of the envelope with its tag; -1 where it has no partition. */
  partitionStart = -1;
  partitionEnd = -1;
  /** Ranges of the packet that are not passed on, pairs of start and end in ascending order. */
  readonly cuts: number[] = [];
  /** True where the bytes are perhaps fine and must be judged by decoding. */
  unusual = false;

  reset(): void {
    this.packetStart =
      this.packetEnd =
      this.flowStart =
      this.flowEnd =
        -1;
    this.lane = 0;
    this.hasContent =
      this.hasInputs =
      this.isHeartbeat =
      this.isChunked =
      this.unusual =
        false;
    this.inputsStart = this.inputsEnd = -1;
    this.partitionStart = this.partitionEnd = -1;
    if (this.cuts.length > 0) this.cuts.length = 0;
  }
}

// Cursor of the varint last read; module-level so that readVarint returns one number without allocating.
let at = 0;
// What is left out of the scanned bytes (`scanSparse`): a field that reaches over `gapAt` is `gapBytes` shorter.
let gapAt = Infinity;
let gapBytes = 0;

/**
 * Scans `bytes[start, end)`. Returns null, or in field terms why the bytes are not a valid request;
 * then the scan's content is meaningless. Check `unusual` before anything else.
 */
export function scanRequest(bytes: Uint8Array, start: number, end: number, scan: RequestScan): string | null {
  scan.reset();
  at = start;
  while (at < end) {
    const tag = readVarint(bytes, end);
    if (tag === 0x0a || tag === 0x12) {
      const length = readVarint(bytes, end);
      const from = at;
      const to = endOf(length);
      if (length < 0 || to > end) return "truncated message";
      if (tag === 0x0a) {
        if (scan.packetStart >= 0) scan.unusual = true;
        scan.packetStart = from;
        scan.packetEnd = to;
      } else {
        if (scan.flowStart >= 0) scan.unusual = true;
        scan.flowStart = from;
        scan.flowEnd = to;
      }
      at = to;
    } else if (!skipField(bytes, tag, end, scan, 2)) {
      return "malformed field";
    }
  }
  if (at !== end) return "truncated message";
  if (scan.unusual || scan.packetStart < 0) return null;
  return scanPacket(bytes, scan.packetStart, scan.packetEnd, scan);
}

/**
 * Scans a long message of which only both ends are at hand: `bytes` without the `missing` bytes at `missingAt`.
 * All offsets of `scan` are into `bytes`. False where the ends do not suffice, or the message is unusual or not
 * valid: then join it and scan it whole.
 */
export function scanSparse(bytes: Uint8Array, missingAt: number, missing: number, scan: RequestScan): boolean {
  gapAt = missingAt;
  gapBytes = missing;
  try {
    return scanRequest(bytes, 0, bytes.length, scan) === null && !scan.unusual;
  } finally {
    gapAt = Infinity;
    gapBytes = 0;
  }
}

/** End of a field of `length` bytes at the cursor; past every end where it ends inside of what is left out. */
function endOf(length: number): number {
  const to = at + length;
  if (to <= gapAt || at > gapAt) return to;
  return to - gapBytes > gapAt ? to - gapBytes : Infinity;
}

function scanPacket(bytes: Uint8Array, start: number, end: number, scan: RequestScan): string | null {
  let pairs = 0;
  let descriptors = 0;
  let frames = 0;
  let hasEnvelope = false;
  at = start;
  while (at < end) {
    const fieldStart = at;
    const tag = readVarint(bytes, end);
    // every known field of DataPacket is length-delimited: 0x0a metadata … 0x42 envelope
    if (tag < 0x0a || tag > 0x42 || (tag & 7) !== 2) {
      if (!skipField(bytes, tag, end, scan, 8)) return "malformed field in packet";
      continue;
    }
    const length = readVarint(bytes, end);
    const from = at;
    const to = endOf(length);
    if (length < 0 || to > end) return "truncated field in packet";
    let fault: string | null = null;
    switch (tag) {
      case 0x0a:
        if (++pairs > 100) scan.unusual = true;
        fault = scanPair(bytes, fieldStart, from, to, scan);
        break;
      case 0x12:
        scan.hasContent = true;
        break;
      case 0x1a:
        if (scan.hasInputs) scan.unusual = true;
        scan.hasContent = scan.hasInputs = true;
        scan.inputsStart = fieldStart;
        scan.inputsEnd = to;
        break;
      case 0x22:
        if (++descriptors > 10) scan.unusual = true;
        fault = scanDescriptor(bytes, from, to, scan);
        break;
      case 0x2a:
      case 0x32:
      case 0x3a:
        if (++frames > 1) scan.unusual = true;
        scan.hasContent = true;
        scan.lane = (tag >> 3) - 4;
        fault = scanFrame(bytes, tag, from, to, scan);
        break;
      case 0x42:
        if (hasEnvelope) scan.unusual = true;
        hasEnvelope = true;
        scan.cuts.push(fieldStart, to);
        fault = scanEnvelope(bytes, from, to, scan);
        break;
    }
    if (fault !== null) return fault;
    at = to;
  }
  return at === end ? null : "truncated field in packet";
}

/** One pair of packet metadata: checks it, finds the heartbeat mark, cuts the keys that the hub sets itself. */
function scanPair(bytes: Uint8Array, pairStart: number, from: number, end: number, scan: RequestScan): string | null {
  let keyStart = 0;
  let keyEnd = 0;
  let valueStart = 0;
  let valueEnd = 0;
  if (isPlainPair(bytes, from, end)) {
    keyStart = from + 2;
    keyEnd = keyStart + bytes[from + 1]!;
    // one check for both texts: what stands between them is ASCII, so no character reaches over it
    if (!isUtf8(bytes, keyStart, end)) return "packet.metadata: text is not UTF-8";
    noteKey(bytes, pairStart, end, keyStart, keyEnd, keyEnd + 2, end, scan);
    return null;
  }
  at = from;
  while (at < end) {
    const tag = readVarint(bytes, end);
    if (tag !== 0x0a && tag !== 0x12) {
      if (!skipField(bytes, tag, end, scan, 2)) return "malformed field in packet.metadata";
      continue;
    }
    const length = readVarint(bytes, end);
    const to = endOf(length);
    if (length < 0 || to > end) return "truncated field in packet.metadata";
    if (tag === 0x0a) {
      keyStart = at;
      keyEnd = to;
    } else {
      valueStart = at;
      valueEnd = to;
    }
    at = to;
  }
  if (keyEnd === keyStart) return "packet.metadata: key must have 1 to 128 characters";
  if (keyEnd - keyStart > 128 || valueEnd - valueStart > 1024) scan.unusual = true;
  if (!isUtf8(bytes, keyStart, keyEnd) || !isUtf8(bytes, valueStart, valueEnd)) {
    return "packet.metadata: text is not UTF-8";
  }
  noteKey(bytes, pairStart, end, keyStart, keyEnd, valueStart, valueEnd, scan);
  return null;
}

/** As encoders write a pair: a key, then a value, both shorter than 128 bytes, and nothing else. */
function isPlainPair(bytes: Uint8Array, from: number, end: number): boolean {
  if (end - from < 4 || bytes[from] !== 0x0a || (end > gapAt && from <= gapAt)) return false;
  const keyLength = bytes[from + 1]!;
  const valueAt = from + 2 + keyLength;
  if (keyLength === 0 || keyLength >= 0x80 || valueAt + 2 > end || bytes[valueAt] !== 0x12) return false;
  const valueLength = bytes[valueAt + 1]!;
  return valueLength < 0x80 && valueAt + 2 + valueLength === end;
}

/** Finds the heartbeat mark, and cuts the pair where its key is one that the hub sets itself. */
function noteKey(
  bytes: Uint8Array,
  pairStart: number,
  pairEnd: number,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
  scan: RequestScan,
): void {
  switch (keyEnd - keyStart) {
    case 13:
      if (equals(bytes, keyStart, "storyrun-name")) scan.cuts.push(pairStart, pairEnd);
      break;
    case 14:
      // a later pair of the same key replaces an earlier one
      if (equals(bytes, keyStart, "bubu-heartbeat")) {
        scan.isHeartbeat = valueEnd - valueStart === 4 && equals(bytes, valueStart, "true");
      }
      break;
    case 15:
      if (equals(bytes, keyStart, "current-step-id")) scan.cuts.push(pairStart, pairEnd);
      break;
    case 18:
      if (equals(bytes, keyStart, "storyrun-namespace")) scan.cuts.push(pairStart, pairEnd);
      break;
    case 21:
      if (equals(bytes, keyStart, "materialize-next-step")) scan.cuts.push(pairStart, pairEnd);
      break;
  }
}

// Field numbers of each frame kind (tag >> 3, from 5) as bits, by their wire type.
const frameBlobs = [0b010010, 0b000110, 0b000110];
const frameNumbers = [0b101100, 0b1111000, 0b001000];

function scanFrame(bytes: Uint8Array, kind: number, from: number, end: number, scan: RequestScan): string | null {
  let sampleRateHz = 0;
  let channels = 0;
  at = from;
  while (at < end) {
    const tag = readVarint(bytes, end);
    const wire = tag & 7;
    const bit = tag < 0x38 ? 1 << (tag >> 3) : 0;
    if (wire === 2) {
      if (bit !== 0 && (frameBlobs[(kind >> 3) - 5]! & bit) === 0) scan.unusual = true;
      const length = readVarint(bytes, end);
      const to = endOf(length);
      if (length < 0 || to > end) return "truncated field in frame";
      const field = tag >> 3;
      if (field === 1) {
        if (length > 10485760) return "frame: at most 10485760 bytes";
      } else if ((kind === 0x2a && field === 4) || ((kind === 0x32 || kind === 0x3a) && field === 2)) {
        if (length > (kind === 0x3a ? 255 : 32)) scan.unusual = true;
        if (!isUtf8(bytes, at, to)) return "frame: text is not UTF-8";
      }
      at = to;
    } else if (wire === 0) {
      const value = readVarint(bytes, end);
      if (value < 0) return "malformed number in frame";
      if (bit !== 0 && (frameNumbers[(kind >> 3) - 5]! & bit) === 0) scan.unusual = true;
      const field = tag >> 3;
      if (kind === 0x2a) {
        if (field === 2) sampleRateHz = value;
        else if (field === 3) channels = value;
      } else if (kind === 0x32 && (field === 3 || field === 4) && value > 16384) {
        scan.unusual = true;
      }
    } else if (!skipField(bytes, tag, end, scan, 6)) {
      return "malformed field in frame";
    }
  }
  if (kind === 0x2a && (sampleRateHz < 8000 || sampleRateHz > 192000 || channels < 1 || channels > 8)) {
    scan.unusual = true;
  }
  return null;
}

function scanDescriptor(bytes: Uint8Array, from: number, end: number, scan: RequestScan): string | null {
  at = from;
  while (at < end) {
    const tag = readVarint(bytes, end);
    if ((tag & 7) !== 2) {
      if (!skipField(bytes, tag, end, scan, 5)) return "malformed field in packet.transports";
      continue;
    }
    const length = readVarint(bytes, end);
    const to = endOf(length);
    if (length < 0 || to > end) return "truncated field in packet.transports";
    const field = tag >> 3;
    if (field <= 3) {
      if (length > 128) scan.unusual = true;
      if (!isUtf8(bytes, at, to)) return "packet.transports: text is not UTF-8";
    } else if (field === 5) {
      const fault = scanConfig(bytes, at, to, scan);
      if (fault !== null) return fault;
    }
    at = to;
  }
  return null;
}

function scanConfig(bytes: Uint8Array, from: number, end: number, scan: RequestScan): string | null {
  at = from;
  while (at < end) {
    const tag = readVarint(bytes, end);
    if (tag !== 0x0a && tag !== 0x12) {
      if (!skipField(bytes, tag, end, scan, 2)) return "malformed field in packet.transports";
      continue;
    }
    const length = readVarint(bytes, end);
    const to = endOf(length);
    if (length < 0 || to > end) return "truncated field in packet.transports";
    if (length > (tag === 0x0a ? 253 : 512)) scan.unusual = true;
    if (!isUtf8(bytes, at, to)) return "packet.transports: text is not UTF-8";
    at = to;
  }
  return null;
}

function scanEnvelope(bytes: Uint8Array, from: number, end: number, scan: RequestScan): string | null {
  at = from;
  while (at < end) {
    const fieldStart = at;
    const tag = readVarint(bytes, end);
    switch (tag) {
      case 0x0a: // stream_id
      case 0x1a: // partition
      case 0x22: { // chunk_id
        const length = readVarint(bytes, end);
        const to = endOf(length);
        if (length < 0 || to > end) return "truncated field in packet.envelope";
        if (length > 128) scan.unusual = true;
        if (!isUtf8(bytes, at, to)) return "packet.envelope: text is not UTF-8";
        at = to;
        if (tag === 0x1a && length > 0) {
          scan.partitionStart = fieldStart;
          scan.partitionEnd = at;
        } else if (tag === 0x22 && length > 0) {
          scan.isChunked = scan.unusual = true;
        }
        break;
      }
      case 0x28: // chunk_index, chunk_count, chunk_bytes, total_bytes
      case 0x30:
      case 0x38:
      case 0x40:
        if (readVarint(bytes, end) !== 0) scan.isChunked = scan.unusual = true;
        break;
      case 0x10: // sequence
        if (readVarint(bytes, end) < 0) return "malformed number in packet.envelope";
        break;
      default:
        if (!skipField(bytes, tag, end, scan, 8)) return "malformed field in packet.envelope";
    }
  }
  return null;
}

/** What a FlowControl grants; acknowledgements are read where a delivery policy needs them. */
export interface FlowScan {
  messages: number;
  bytes: number;
}

/** Reads credits of the FlowControl at `bytes[start, end)` into `flow`. Returns null or what is wrong. */
export function scanFlow(bytes: Uint8Array, start: number, end: number, flow: FlowScan): string | null {
  flow.messages = flow.bytes = 0;
  at = start;
  let partitions = 0;
  while (at < end) {
    const tag = readVarint(bytes, end);
    if (tag === 0x10 || tag === 0x18) {
      const value = readVarint(bytes, end);
      if (value < 0) return "malformed number in flow";
      if (tag === 0x10) flow.messages = value % 0x1_0000_0000;
      else flow.bytes = value % 0x1_0000_0000;
    } else {
      if (tag === 0x32 && ++partitions > 256) return "flow.partition_acks: at most 256 items";
      if (!skipField(bytes, tag, end, null, 0)) return "malformed field in flow";
    }
  }
  return at === end ? null : "truncated field in flow";
}

/** Reads a varint at `at` and moves behind it; -1 for one that is cut off or too long. Exact up to 2^53. */
function readVarint(bytes: Uint8Array, end: number): number {
  let byte = at < end ? bytes[at++]! : -1;
  if (byte < 0x80) return byte;
  let value = byte & 0x7f;
  let scale = 0x80;
  for (let count = 1; count < 10; count++) {
    if (at >= end) return -1;
    byte = bytes[at++]!;
    if (count === 9 && byte > 1) return -1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
  return -1;
}

/**
 * Moves behind the field whose tag was just read; false where it is malformed. Groups, and fields up to number
 * `known` that come with another wire type than theirs, count as unusual.
 */
function skipField(bytes: Uint8Array, tag: number, end: number, scan: RequestScan | null, known: number): boolean {
  if (tag < 8 || tag > 0xffff_ffff) return false;
  if (scan !== null && tag >>> 3 <= known) scan.unusual = true;
  switch (tag & 7) {
    case 0:
      return readVarint(bytes, end) >= 0;
    case 1:
      at += 8;
      return at <= end;
    case 2: {
      const length = readVarint(bytes, end);
      if (length < 0) return false;
      at = endOf(length);
      return at <= end;
    }
    case 3:
      // let the decoder find its end; nothing behind it is looked at here
      if (scan === null) return false;
      scan.unusual = true;
      at = end;
      return true;
    case 5:
      at += 4;
      return at <= end;
    default:
      return false;
  }
}

function equals(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
