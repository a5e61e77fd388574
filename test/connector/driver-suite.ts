/** What every driver does alike: order, back-pressure, ends, refusals. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClientLink, Driver, Headers, ServerLink } from "../../src/connector/driver.ts";
import { TransportError } from "../../src/contract/errors.ts";
import { field } from "../../src/delivery/encode.ts";
import { eventually } from "../support/eventually.ts";

export interface DriverBed extends AsyncDisposable {
  readonly driver: Driver;
  /** Where to listen, and what is dialled then. */
  readonly address: string;
  readonly serverName: string;
}

/** One end of a stream, with what came. */
class End {
  readonly messages: string[] = [];
  reads = true;
  chunks = 0;
  writable = 0;
  isHalfClosed = false;
  isClosed = false;

  readonly events = {
    message: (bytes: Uint8Array, start: number, end: number) => {
      this.messages.push(new TextDecoder().decode(bytes.subarray(start, end)));
      return this.reads;
    },
    endOfChunk: () => void this.chunks++,
    writable: () => void this.writable++,
    halfClosed: () => void (this.isHalfClosed = true),
    closed: () => void (this.isClosed = true),
  };
}

// The gRPC driver carries any bytes: protobuf is none of its business.
const utf8 = new TextEncoder();

/** Runs the suite over a driver; `make` gives a fresh one for each test. */
export function driverSuite(name: string, make: () => Promise<DriverBed>): void {
  const test = suite(`driver ${name}`);
  // timers of a driver do not keep a process, nor does a connection that is being closed
  let alive: ReturnType<typeof setInterval>;
  test.before(() => void (alive = setInterval(() => {}, 60_000)));
  test.after(() => clearInterval(alive));

  /** A stream between two ends. */
  async function pair(bed: DriverBed) {
    const server = new End();
    const client = new End();
    let serverLink: ServerLink | null = null;
    let headers: Headers = {};
    const listener = await bed.driver.listen(bed.address, (given, link) => {
      headers = given;
      serverLink = link;
      return server.events;
    });
    const ends: (readonly [TransportError | null, boolean])[] = [];
    const seen: string[] = [];
    const link: ClientLink = bed.driver.open(
      { address: listener.address, serverName: bed.serverName },
      { "bubu-transport-protocol": "1.0.0", "current-step-id": "a" },
      2_000,
      {
        ...client.events,
        connected: () => void seen.push("connected"),
        accepted: () => void seen.push("accepted"),
        end: (error, isFinal) => void ends.push([error, isFinal]),
      },
    );
    await eventually("the stream is accepted", () => seen.includes("accepted"));
    const taken = await eventually("the server has it", () => serverLink as ServerLink | null);
    return { listener, server, client, link, serverLink: taken, ends, seen, headers };
  }

  test("headers arrive, messages come in order both ways, and parts make one message", async () => {
    await using bed = await make();
    const p = await pair(bed);
    assert.equal([p.headers["bubu-transport-protocol"], p.headers["current-step-id"]], ["1.0.0", "a"]);
    for (let n = 0; n < 500; n++) p.link.write([utf8.encode(`${n}`), utf8.encode("!")]);
    p.link.flush();
    p.serverLink.write([utf8.encode("back")]);
    p.serverLink.flush();
    await eventually("all messages", () => p.server.messages.length === 500 && p.client.messages.length === 1);
    assert.equal(p.server.messages, Array.from({ length: 500 }, (_, n) => `${n}!`));
    assert.ok(p.server.chunks > 0 && p.server.chunks <= 500);
    await p.listener.close(0);
  });

  test("a long message arrives whole", async () => {
    await using bed = await make();
    const p = await pair(bed);
    const body = utf8.encode("x".repeat(1_000_000));
    p.link.write([field(1, body)]);
    p.link.flush();
    await eventually("the message", () => p.server.messages.length === 1);
    assert.is(utf8.encode(p.server.messages[0]).length >= 1_000_000, true);
    await p.listener.close(0);
  });

  test("a reader that stops makes its writer stop, and gets everything when it goes on", async () => {
    await using bed = await make();
    const p = await pair(bed);
    p.server.reads = false;
    const body = "y".repeat(64 * 1024);
    let written = 0;
    await eventually("the writer stops", () => {
      for (let n = 0; n < 4 && p.link.writable; n++) p.link.write([utf8.encode(`${written++} ${body}`)]);
      p.link.flush();
      return !p.link.writable && written > 0;
    });
    assert.ok(written < 200, `${written} messages of 64 KiB wait`);
    await eventually("the first message", () => p.server.messages.length > 0);
    assert.is(p.server.messages.length, 1);
    p.server.reads = true;
    p.serverLink.resume();
    await eventually("everything", () => p.server.messages.length === written);
    assert.equal(
      p.server.messages.map((each) => Number(each.split(" ")[0])),
      Array.from({ length: written }, (_, n) => n),
    );
    await eventually("the writer is told", () => p.client.writable > 0);
    assert.ok(p.link.writable);
    await p.listener.close(0);
  });

  test("the server's end comes after what it wrote, with its reason", async () => {
    await using bed = await make();
    const p = await pair(bed);
    p.serverLink.write([utf8.encode("last")]);
    p.serverLink.end(new TransportError("HubDraining", "the hub is stopping"));
    await eventually("the end", () => p.ends.length === 1 && p.server.isClosed);
    assert.equal(p.client.messages, ["last"]);
    const [error, isFinal] = p.ends[0]!;
    assert.equal([error?.reason, error?.message, isFinal], ["HubDraining", "the hub is stopping", false]);
    p.link.write([utf8.encode("nobody")]);
    p.link.flush();
    await p.listener.close(0);
  });

  test("the client's end is the end of its side only", async () => {
    await using bed = await make();
    const p = await pair(bed);
    p.link.write([utf8.encode("last")]);
    p.link.halfClose();
    await eventually("half-closed", () => p.server.isHalfClosed);
    assert.equal([p.server.messages, p.ends.length], [["last"], 0]);
    p.serverLink.write([utf8.encode("answer")]);
    p.serverLink.end(null);
    await eventually("the end", () => p.ends.length === 1);
    assert.equal([p.ends[0]![0], p.client.messages], [null, ["answer"]]);
    await p.listener.close(0);
  });

  test("a stream that is given up ends on both sides, once", async () => {
    await using bed = await make();
    const p = await pair(bed);
    p.link.cancel();
    p.link.cancel();
    await eventually("both ends", () => p.ends.length === 1 && p.server.isClosed);
    p.serverLink.write([utf8.encode("nobody")]);
    p.serverLink.end(null);
    assert.is(p.ends.length, 1);
    await p.listener.close(0);
  });

  test("a refusal has its reason, and says whether another attempt may help", async () => {
    await using bed = await make();
    for (
      const [reason, isFinal] of [["StaleGeneration", false], ["PermissionDenied", true], [
        "InvalidMetadata",
        true,
      ]] as const
    ) {
      const listener = await bed.driver.listen(bed.address, () => {
        throw new TransportError(reason, "no");
      });
      const ended = Promise.withResolvers<readonly [TransportError | null, boolean]>();
      bed.driver.open({ address: listener.address, serverName: bed.serverName }, {}, 2_000, {
        ...new End().events,
        connected() {},
        accepted() {},
        end: (error, final) => ended.resolve([error, final]),
      });
      const [error, final] = await ended.promise;
      assert.equal([error?.reason, final], [reason, isFinal]);
      await listener.close(0);
    }
  });

  test("where nobody listens the stream ends as Unavailable, never from inside of open", async () => {
    await using bed = await make();
    const listener = await bed.driver.listen(bed.address, () => new End().events);
    await listener.close(0);
    const ended = Promise.withResolvers<readonly [TransportError | null, boolean]>();
    let isInside = true;
    bed.driver.open({ address: listener.address, serverName: bed.serverName }, {}, 2_000, {
      ...new End().events,
      connected() {},
      accepted() {},
      end: (error, final) => {
        assert.not(isInside);
        ended.resolve([error, final]);
      },
    });
    isInside = false;
    const [error, final] = await ended.promise;
    assert.equal([error?.reason, final], ["Unavailable", false]);
  });

  test("an address is listened on once", async () => {
    await using bed = await make();
    const listener = await bed.driver.listen(bed.address, () => new End().events);
    try {
      await bed.driver.listen(listener.address, () => new End().events);
      assert.unreachable();
    } catch (error) {
      assert.is((error as TransportError).reason, "PortInUse");
    }
    await listener.close(0);
  });

  test.run();
}
