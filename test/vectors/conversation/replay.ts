/**
 * Replays a recorded conversation between an engram, played by its recorded bytes, and a scripted hub, with our
 * connector between the two; and compares by meaning what comes out at either end.
 */
import { clone, create, equals, fromBinary } from "@bufbuild/protobuf";
import { type DataPacket, DataPacketSchema } from "../../../gen/transport/v1/hub_pb.ts";
import {
  ControlAction,
  type ControlRequest,
  type ControlResponse,
  ControlResponseSchema,
  type DataRequest,
  type DataResponse,
  DataResponseSchema,
  StreamEnvelopeSchema,
  TransportConnectorService,
} from "../../../gen/transport/v1/transport_pb.ts";
import { systemClock } from "../../../src/adapters/clock.ts";
import type { ClientStream } from "../../../src/adapters/grpc/call.ts";
import { GrpcChannel } from "../../../src/adapters/grpc/channel.ts";
import { pathOf } from "../../../src/adapters/grpc/codec.ts";
import type { ConnectorNode } from "../../../src/bin/connector-node.ts";
import type { Connector } from "../../../src/connector/connector.ts";
import { connectorBed } from "../../support/connector-bed.ts";
import { eventually } from "../../support/eventually.ts";
import { scriptDiscovery } from "../../support/script-discovery.ts";
import { ScriptHub } from "../../support/script-hub.ts";
import type { Recording, Step } from "./recording.ts";
import { expectedView, textOf, viewOf } from "./view.ts";

/** The SDK waits 30 s at most (data-plane 6.10, 5); a connector of ours is not near that. */
const handshakeMs = 1_000;

const settings = { flowControl: { mode: "credits" }, delivery: { ordering: "per_stream" } };

/** Answers what was wrong, in sentences; nothing where the conversation went as the page says. */
export async function replay(recording: Recording): Promise<readonly string[]> {
  const faults: string[] = [];
  const capabilities = capabilitiesOf(recording.steps);
  const hub = await ScriptHub.start();
  const discovery = capabilities === null ? null : await scriptDiscovery({
    name: recording.binding.name,
    namespace: recording.binding.namespace,
    driver: "bobravoz-grpc",
    version: "1",
    protocolVersion: "1.0.0",
    hubEndpoint: hub.address,
    audioCodecs: listOf(capabilities["audio.codec"]),
    videoCodecs: listOf(capabilities["video.codec"]),
    binaryTypes: listOf(capabilities["binary.mime"]),
    effectiveSettings: JSON.stringify(settings),
  });
  const binding = {
    ...recording.binding,
    binding: {
      ...recording.binding.binding,
      payload: btoa(JSON.stringify(settings)),
      ...(capabilities === null ? {} : {
        audioCodecs: listOf(capabilities["audio.codec"]),
        videoCodecs: listOf(capabilities["video.codec"]),
        binaryTypes: listOf(capabilities["binary.mime"]),
      }),
    },
  };
  const bed = await connectorBed({
    hub: hub.address,
    env: {
      ...recording.env,
      BUBU_TRANSPORT_BINDING: JSON.stringify(binding),
      ...(discovery === null ? {} : { BOBRAVOZ_DISCOVERY_ENDPOINT: discovery.address }),
    },
  });
  const player = new Player(bed.node, hub, capabilities, faults);
  try {
    await hub.stream();
    for (const step of recording.steps) await player.play(step);
    await player.finish();
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  } finally {
    await player.close();
    await bed[Symbol.asyncDispose]();
    await discovery?.[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
  }
  return faults;
}

function listOf(text: string | undefined): string[] {
  return text === undefined ? [] : [text];
}

/** What the recorded connector negotiated; null where it said `none` all along. */
function capabilitiesOf(steps: readonly Step[]): Readonly<Record<string, string>> | null {
  for (const step of steps) {
    if (step.kind === "directive" && step.message.action === ControlAction.CONNECTOR_CAPABILITIES) {
      return step.message.metadata;
    }
  }
  return null;
}

/** One Control stream with what came over it. */
interface Control {
  readonly call: ClientStream;
  readonly received: ControlResponse[];
  /** Acks that it must get, in order. */
  readonly acks: Readonly<Record<string, string>>[];
}

class Player {
  readonly #connector: Connector;
  readonly #hub: ScriptHub;
  readonly #channel: GrpcChannel;
  readonly #capabilities: Readonly<Record<string, string>> | null;
  readonly #faults: string[];
  readonly #calls = new Map<number, { readonly rpc: "Data" | "Control"; readonly call: ClientStream }>();
  readonly #controls = new Map<number, Control>();
  readonly #chunks = new Map<string, { readonly first: DataPacket; readonly pieces: Uint8Array[] }>();
  readonly #sent: DataPacket[] = [];
  readonly #unreceipted = new Map<string, string>();
  #responses: DataResponse[] = [];
  /** Views that the engram must have got of this session, in order. */
  #expected: string[] = [];
  #heartbeats = 0;
  #credits = 0;
  /** Sequences on the hub's current stream. */
  #received: number[] = [];
  readonly #receipted = new Set<number>();
  #streamIndex = 0;
  #isClosing = false;

  constructor(
    node: ConnectorNode,
    hub: ScriptHub,
    capabilities: Readonly<Record<string, string>> | null,
    faults: string[],
  ) {
    this.#hub = hub;
    this.#connector = node.connector;
    this.#channel = new GrpcChannel({ address: node.address, tls: null, clock: systemClock });
    this.#capabilities = capabilities;
    this.#faults = faults;
  }

  async play(step: Step): Promise<void> {
    switch (step.kind) {
      case "open":
        await this.#open(step.rpc, step.stream, step.metadata);
        break;
      case "close": {
        // a reset overtakes what was written before; the recorded connector had it
        await this.#settled();
        const stream = this.#calls.get(step.stream);
        this.#calls.delete(step.stream);
        if (step.isReset) stream?.call.cancel();
        else stream?.call.halfClose();
        break;
      }
      case "ended":
        // ours does not: the engram ends the session itself when it opens the next
        break;
      case "request":
        this.#calls.get(step.stream)?.call.write(step.bytes);
        this.#request(step.message);
        break;
      case "say":
        this.#calls.get(step.stream)?.call.write(step.bytes);
        this.#say(step.stream, step.message);
        break;
      case "packet":
        await this.#packet(step.message);
        break;
      case "directive":
        await this.#directive(step.message);
        break;
      default:
        step satisfies never;
    }
  }

  /** What must have arrived in the end. */
  async finish(): Promise<void> {
    await this.#session();
    await this.#settled();
    const packets = () => this.#hub.streams.flatMap((stream) => stream.packets);
    const data = () => packets().filter(({ metadata }) => metadata["bubu-heartbeat"] !== "true");
    for (const [index, sent] of this.#sent.entries()) {
      const got = data()[index];
      if (got === undefined || !equals(DataPacketSchema, got, sent)) {
        this.#faults.push(`packet ${index + 1} of the engram reached the hub changed, or out of order`);
      }
    }
    if (data().length > this.#sent.length) this.#faults.push("the hub got more packets than the engram sent");
    const stream = this.#hub.streams[this.#streamIndex]!;
    const total = this.#hub.streams.reduce((sum, each) => sum + each.credits.messages, 0);
    if (total !== this.#credits) this.#faults.push(`credits of ${total} messages instead of ${this.#credits}`);
    const acked = contiguous(this.#received, this.#receipted);
    if (stream.credits.ack !== acked) this.#faults.push(`acknowledged ${stream.credits.ack} instead of ${acked}`);
    for (const control of this.#controls.values()) this.#checkControl(control);
  }

  /** The hub has everything that was said so far: packets, heartbeats, and what follows from receipts. */
  async #settled(): Promise<void> {
    await this.#session();
    const packets = () => this.#hub.streams.flatMap((stream) => stream.packets);
    const beats = () => packets().filter(({ metadata }) => metadata["bubu-heartbeat"] === "true").length;
    const wanted = this.#sent.length + this.#heartbeats;
    await eventually(`${wanted} packets at the hub`, () => packets().length >= wanted, 3_000);
    await eventually(`${this.#heartbeats} heartbeats at the hub`, () => beats() >= this.#heartbeats, 1_000);
    const credits = () => this.#hub.streams.reduce((sum, each) => sum + each.credits.messages, 0);
    await eventually(`credits of ${this.#credits} messages`, () => credits() >= this.#credits, 3_000);
  }

  #isAlone(): boolean {
    return !this.#connector.hasEngram;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#channel.close();
  }

  async #open(rpc: "Data" | "Control", number: number, metadata: Readonly<Record<string, string>>): Promise<void> {
    if (rpc === "Data") {
      // a session that the recorded connector ended is over for the engram as well
      await this.#settled();
      for (const [other, { call }] of this.#calls) {
        this.#calls.delete(other);
        call.cancel();
      }
      await eventually("the end of the last session", () => this.#isAlone());
      this.#responses = [];
      this.#expected = [...this.#unreceipted.values()];
      const responses = this.#responses;
      const call = this.#channel.stream(pathOf(TransportConnectorService.method.data), { metadata }, {
        message: (bytes, start, end) => {
          responses.push(fromBinary(DataResponseSchema, bytes.subarray(start, end)));
          return true;
        },
        end: (status) => this.#over("Data", number, status.code),
      });
      this.#calls.set(number, { rpc, call });
      return;
    }
    const control: Control = {
      received: [],
      acks: [],
      call: this.#channel.stream(pathOf(TransportConnectorService.method.control), { metadata }, {
        message: (bytes, start, end) => {
          control.received.push(fromBinary(ControlResponseSchema, bytes.subarray(start, end)));
          return true;
        },
        end: (status) => this.#over("Control", number, status.code),
      }),
    };
    this.#calls.set(number, { rpc, call: control.call });
    this.#controls.set(number, control);
    const isRequired = this.#capabilities !== null;
    await eventually(
      "connector.ready",
      () => control.received.length > (isRequired ? 1 : 0),
      handshakeMs,
    );
    const [ready, capabilities] = control.received;
    const wanted = isRequired ? "required" : "none";
    if (ready?.action !== ControlAction.CONNECTOR_READY) this.#faults.push("connector.ready is not the first message");
    if (ready?.metadata["startup.capabilities"] !== wanted) {
      this.#faults.push(`startup.capabilities is ${ready?.metadata["startup.capabilities"]} instead of ${wanted}`);
    }
    if (!isRequired) return;
    if (capabilities?.action !== ControlAction.CONNECTOR_CAPABILITIES) {
      this.#faults.push("connector.capabilities does not follow");
    }
    for (const name of ["audio.codec", "video.codec", "binary.mime"]) {
      if (capabilities?.metadata[name] !== this.#capabilities?.[name]) this.#faults.push(`capability ${name} differs`);
    }
  }

  /** The connector may end a stream only after the engram did. */
  #over(rpc: string, number: number, code: number): void {
    if (!this.#isClosing && this.#calls.has(number)) this.#faults.push(`${rpc} ${number} was ended with code ${code}`);
  }

  #request(message: DataRequest): void {
    const { frame, metadata, payload, inputs, transports, envelope } = message;
    if (metadata["bubu-heartbeat"] === "true") {
      this.#heartbeats++;
      return;
    }
    if (frame.case === undefined && payload === undefined && inputs === undefined) return;
    this.#sent.push(create(DataPacketSchema, {
      frame,
      metadata,
      transports,
      ...(payload === undefined ? {} : { payload }),
      ...(inputs === undefined ? {} : { inputs }),
      ...(envelope === undefined ? {} : { envelope }),
    }));
  }

  #say(number: number, { action, customAction, metadata }: ControlRequest): void {
    if (customAction === "downstream.delivered") {
      const sequence = Number(metadata["sequence"]);
      if (this.#unreceipted.delete(keyOf(metadata["stream_id"], metadata["partition"], sequence))) {
        this.#credits++;
        if (this.#received.includes(sequence)) this.#receipted.add(sequence);
      }
      return;
    }
    if (action === ControlAction.HEARTBEAT) {
      this.#controls.get(number)?.acks.push({ received: "heartbeat", handled: "true", status: "alive" });
    }
  }

  async #packet(message: DataPacket): Promise<void> {
    const stream = await this.#hub.stream(this.#streamIndex);
    stream.send(message);
    const whole = this.#assemble(message);
    const { envelope } = message;
    const sequence = Number(envelope?.sequence ?? 0n);
    if (whole === null) {
      this.#credits++;
      return;
    }
    if (sequence > 0) this.#received.push(sequence);
    const view = expectedView(whole);
    if (view === null) {
      // dropped here, so that its sender does not wait
      this.#credits++;
      if (sequence > 0) this.#receipted.add(sequence);
      return;
    }
    const text = textOf(view);
    this.#expected.push(text);
    if (sequence > 0) this.#unreceipted.set(keyOf(envelope?.streamId, envelope?.partition, sequence), text);
    else if (message.metadata["bubu-heartbeat"] !== "true") this.#credits++;
    await this.#session();
  }

  /** The engram has what it must have of this session. */
  async #session(): Promise<void> {
    // without a Data stream it waits for the next session
    if (![...this.#calls.values()].some(({ rpc }) => rpc === "Data")) return;
    const expected = this.#expected;
    await eventually(
      `${expected.length} messages at the engram, ${this.#responses.length} came`,
      () => this.#responses.length >= expected.length,
      3_000,
    ).catch((error: Error) => this.#faults.push(error.message));
    const got = this.#responses.map((response) => textOf(viewOf(response)));
    for (const [index, text] of expected.entries()) {
      if (got[index] !== text && got[index] !== undefined) {
        this.#faults.push(`message ${index + 1} at the engram is ${got[index]} instead of ${text}`);
      }
    }
    if (got.length > expected.length) this.#faults.push("the engram got more than it should");
    // judged once
    this.#responses.splice(0, expected.length);
    expected.length = 0;
  }

  /** Null while chunks of a packet are missing. */
  #assemble(message: DataPacket): DataPacket | null {
    const { envelope, frame } = message;
    if (envelope === undefined || envelope.chunkCount === 0 || frame.case !== "binary") return message;
    const key = `${envelope.streamId}|${envelope.chunkId}`;
    const known = this.#chunks.get(key) ?? { first: clone(DataPacketSchema, message), pieces: [] };
    this.#chunks.set(key, known);
    known.pieces[envelope.chunkIndex] = frame.value.payload;
    if (Object.keys(known.pieces).length < envelope.chunkCount) return null;
    const { first } = known;
    if (first.frame.case === "binary") {
      first.frame.value.payload = Uint8Array.from(known.pieces.flatMap((piece) => Array.from(piece)));
    }
    const { streamId, sequence, partition } = envelope;
    first.envelope = create(StreamEnvelopeSchema, { streamId, sequence, partition });
    return first;
  }

  /** Directives that a connector has a reason for are brought about; the recorder's probes are not ours to send. */
  async #directive({ action, metadata }: ControlResponse): Promise<void> {
    const stream = this.#hub.streams[this.#streamIndex];
    if (
      action !== ControlAction.HANDOFF_DRAINING || metadata["reason"] !== "hub_disconnected" || stream === undefined
    ) {
      return;
    }
    const control = [...this.#controls.values()].at(-1);
    const seen = (wanted: ControlAction) => control?.received.filter((each) => each.action === wanted).at(-1);
    await this.#settled();
    stream.end({ code: 14, message: "away" });
    const draining = await eventually("handoff.draining", () => seen(ControlAction.HANDOFF_DRAINING));
    this.#streamIndex++;
    await this.#hub.stream(this.#streamIndex);
    const cutover = await eventually("handoff.cutover", () => {
      const last = seen(ControlAction.HANDOFF_CUTOVER);
      return last?.metadata["reason"] === "hub_reconnected" ? last : null;
    });
    for (
      const [each, phase, reason] of [
        [draining, "draining", "hub_disconnected"],
        [cutover, "cutover", "hub_reconnected"],
      ] as const
    ) {
      const { metadata } = each;
      if (metadata["phase"] !== phase || metadata["reason"] !== reason || !/^\d+$/.test(metadata["ts"] ?? "")) {
        this.#faults.push(`handoff ${phase} is ${JSON.stringify(metadata)}`);
      }
    }
    // a new stream has sequences of its own; what came before is sent again by the hub, where it was not acknowledged
    this.#received = [];
    this.#receipted.clear();
    this.#unreceipted.clear();
  }

  /** Nothing but what data-plane 6.4 has, and exactly the acks that are due. */
  #checkControl({ received, acks }: Control): void {
    const known = new Set<ControlAction>([
      ControlAction.CONNECTOR_READY,
      ControlAction.CONNECTOR_CAPABILITIES,
      ControlAction.HANDOFF_CUTOVER,
      ControlAction.HANDOFF_DRAINING,
      ControlAction.HANDOFF_READY,
      ControlAction.ACK,
    ]);
    for (const { action, customAction } of received) {
      if (!known.has(action) || customAction !== "") this.#faults.push(`the connector said ${action} ${customAction}`);
    }
    const given = received.filter(({ action }) => action === ControlAction.ACK).map(({ metadata }) => textOf(metadata));
    const due = acks.map((each) => textOf(each));
    if (given.join() !== due.join()) this.#faults.push(`acks are ${given.join()} instead of ${due.join()}`);
  }
}

function keyOf(streamId = "", partition = "", sequence = 0): string {
  return `${streamId}|${partition}|${sequence}`;
}

/** The highest sequence up to which all were received and have their receipts. */
function contiguous(received: readonly number[], receipted: ReadonlySet<number>): number {
  if (received.length === 0) return 0;
  const first = Math.min(...received);
  let at = first;
  while (receipted.has(at)) at++;
  return at === first ? 0 : at - 1;
}
