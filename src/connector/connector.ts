/**
 * The connector of one step: between its engram's Data and Control streams and its hub and peers. Knows what each
 * stream says; refuses to know sockets (a `Driver` has them), the environment, and where bindings come from.
 *
 * ```
 *   engram ═ Data ══► EngramRequest ─► Router ─► Way(s) ══► hub, peers
 *   engram ◄═ Data ══ Inbox ◄─ Inlet(s) ◄══ hub, peers
 *   engram ◄═ Control ═► ControlStreams: handshake, gates, receipts
 * ```
 */
import { TransportError } from "../contract/errors.ts";
import { protocolVersion, requestHeaders } from "../contract/names.ts";
import type { Clock, Log, Timer } from "../contract/runtime.ts";
import { capabilitiesMode, capabilitiesOf, type ConnectorBinding } from "./binding.ts";
import { Assembler } from "./chunks.ts";
import { ControlStreams, type Directive, type Receipt } from "./control.ts";
import { ConnectorCounters } from "./counters.ts";
import type { Driver, Headers, ServerLink, ServerLinkEvents, Target } from "./driver.ts";
import { DataSession } from "./data.ts";
import { Gates } from "./gates.ts";
import { Inbox } from "./inbox.ts";
import { Inlet, type InletDrop } from "./inlet.ts";
import { outboxLimits } from "./outbox.ts";
import { PeerStreams } from "./peers.ts";
import { hubRedial } from "./redial.ts";
import { Router } from "./router.ts";
import { Way, type WayEvents } from "./way.ts";

export interface ConnectorOptions {
  readonly namespace: string;
  readonly storyRun: string;
  readonly step: string;
  readonly generation: number;
  readonly binding: ConnectorBinding;
  /** Hub, or the peer that stands for it (data-plane 6.11), while the binding names none. */
  readonly hub: Target;
  /** Whether what the connector negotiated is reported to somebody; without, no capabilities are known (W-43). */
  readonly reports: boolean;
  readonly limits: {
    readonly channelBufferSize: number;
    /** 0: a full queue waits. */
    readonly channelSendTimeoutMs: number;
    /** 0: off. */
    readonly hangTimeoutMs: number;
    readonly hubDialTimeoutMs: number;
    readonly maxSendBytes: number;
    readonly peerHeartbeatMs: number;
    readonly stallLimitMs: number;
  };
  readonly driver: Driver;
  readonly clock: Clock;
  readonly log: Log;
  /** Discovery will say what follows, and is waited for like a peer (K-17). */
  readonly awaitsDiscovery: boolean;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
}

/** Bytes that wait for the engram beside messages, and what it may hold without a receipt. */
const inboxLimits = { maxBytes: 4 * 1024 * 1024, maxUnreceipted: 1024, maxUnreceiptedBytes: 64 * 1024 * 1024 } as const;

/** How long hub and peers have at least for what was written before a stop. */
const leastCloseMs = 1_000;

/** How long PAUSE of a hub holds the engram at most: one that never says RESUME must not stop it for good (W-27). */
const maxPauseMs = 30_000;

export class Connector {
  readonly counters = new ConnectorCounters();
  readonly gates = new Gates();
  readonly #options: ConnectorOptions;
  readonly #control: ControlStreams;
  readonly #inbox: Inbox;
  readonly #hub: Way;
  readonly #router: Router;
  readonly #peers: PeerStreams;
  readonly #data = new Set<DataSession>();
  readonly #inlets = new Set<Inlet>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #connected = Promise.withResolvers<void>();
  readonly #timers: Timer[] = [];
  #binding: ConnectorBinding;
  #hubInlet: Inlet | null = null;
  #pause: Timer | null = null;
  #isStopping = false;
  #serial = 0;
  #touchedMs = 0;
  #changed: () => void = () => {};

  constructor(options: ConnectorOptions) {
    const { clock, limits, log } = options;
    this.#options = options;
    this.#binding = options.binding;
    this.#touchedMs = clock.monotonicMs();
    this.#inbox = new Inbox({
      ...inboxLimits,
      maxMessages: limits.channelBufferSize,
      sendTimeoutMs: limits.channelSendTimeoutMs,
    }, clock);
    this.#control = new ControlStreams({
      clock,
      gates: this.gates,
      capabilities: () => this.#capabilities(),
      receipt: (receipt) => this.#receipt(receipt),
      heartbeat: () => this.#changed(),
      counted: (direction, type) => this.counters.directive(direction, type),
      opened: () => {
        this.#touch();
        this.#changed();
      },
    });
    this.#hub = this.#newWay(this.#hubTarget, false, {
      opened: (again) => this.#hubOpened(again),
      lost: (error) => this.#hubLost(error),
      failed: (error) => this.#failed.reject(error),
      message: (bytes, start, end) => this.#hubInlet?.receive(bytes, start, end) ?? true,
      endOfChunk: () => this.#hubInlet?.endOfChunk(),
      delivered: (messages, bytes) => this.counters.sent(messages, bytes),
      dropped: (reason) => this.counters.upstreamDrop(reason),
      room: () => this.#room(),
      drained: () => this.#router.drained(),
    });
    this.#router = new Router({
      clock,
      namespace: options.namespace,
      storyRun: options.storyRun,
      step: options.step,
      peerWay: (target, events) => this.#newPeerWay(target, events),
      room: () => this.#room(),
    }, this.#hub);
    this.#peers = new PeerStreams({
      clock,
      heartbeatMs: limits.peerHeartbeatMs,
      newInlet: (port) => this.#newInlet(port, true),
      closed: (inlet) => this.#closeInlet(inlet),
    });
    this.#failed.promise.catch(() => {});
    this.#router.apply(options.binding.downstreams);
    if (options.awaitsDiscovery) this.#router.awaitBinding();
    if (limits.hangTimeoutMs > 0) {
      this.#timers.push(clock.every(limits.hangTimeoutMs / 4, () => {
        if (!this.#hub.isOpen || clock.monotonicMs() - this.#touchedMs < limits.hangTimeoutMs) return;
        log.warn("the stream to the hub is silent, opened anew", { reason: "hang_timeout" });
        this.#touch();
        this.#hub.reopen();
      }));
    }
  }

  /** Rejects with the reason for which the connector cannot go on (W-44). */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Settles when the stream to the hub stands for the first time. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  get isConnected(): boolean {
    return this.#hub.isOpen;
  }

  get binding(): ConnectorBinding {
    return this.#binding;
  }

  /** Whether an engram has a Control stream. */
  get hasEngram(): boolean {
    return this.#control.listeners > 0;
  }

  get router(): Router {
    return this.#router;
  }

  get controlListeners(): number {
    return this.#control.listeners;
  }

  /** Packets that wait for the engram, or for the hub and peers. */
  get buffered(): { readonly downstream: number; readonly upstream: number } {
    return { downstream: this.#inbox.messages, upstream: this.#router.buffered };
  }

  /** Negotiated capabilities; null where nothing is known. */
  get capabilities(): Readonly<Record<string, string>> | null {
    return this.#capabilities();
  }

  /** Calls `changed` when something happened that discovery should be told. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** Dials the hub, from now on and again. */
  start(): void {
    this.#hub.start();
  }

  /** Takes a Data stream of the engram. Throws what refuses it. */
  openData(headers: Headers, link: ServerLink): ServerLinkEvents {
    checkProtocol(headers, "data");
    this.#refuseWhenStopping();
    const session = new DataSession(link, {
      gates: this.gates,
      counters: this.counters,
      clock: this.#options.clock,
      log: this.#options.log,
      router: this.#router,
      maxSendBytes: this.#options.limits.maxSendBytes,
      isPaused: () => this.#pause !== null,
      heartbeat: (parts) => this.#hub.sendNow(parts),
      flushHeartbeats: () => this.#hub.flush(),
      touched: () => this.#touch(),
      serial: () => ++this.#serial,
      writable: () => this.#inbox.pump(),
      closed: () => {
        this.#data.delete(session);
        this.#inbox.detach(link);
      },
    });
    this.#data.add(session);
    this.#inbox.attach(link);
    return session;
  }

  /** Takes a Control stream of the engram. Throws what refuses it. */
  openControl(headers: Headers, link: ServerLink): ServerLinkEvents {
    checkProtocol(headers, "control");
    this.#refuseWhenStopping();
    const session = this.#control.open(link);
    return {
      message: (bytes, start, end) => session.message(bytes, start, end),
      endOfChunk: () => session.endOfChunk(),
      writable: () => session.writable(),
      halfClosed: () => link.end(null),
      closed: () => {
        this.#control.close(session);
        this.#changed();
      },
    };
  }

  /** Takes a Process stream of a peer. Throws what refuses it. */
  openPeer(headers: Headers, link: ServerLink): ServerLinkEvents {
    checkProtocol(headers, "process");
    this.#refuseWhenStopping();
    return this.#peers.open(headers, link);
  }

  /** Obeys another binding; streams stay, only what has changed moves. */
  applyBinding(binding: ConnectorBinding): void {
    const before = JSON.stringify(this.#capabilities());
    this.#binding = binding;
    this.#hub.retarget(this.#hubTarget);
    this.#router.apply(binding.downstreams);
    for (const inlet of this.#inlets) inlet.applyPolicy(this.#policyOf(inlet !== this.#hubInlet));
    const after = this.#capabilities();
    if (JSON.stringify(after) !== before && after !== null) {
      for (const name of Object.keys(after)) this.counters.capabilityChange(name);
      this.#control.capabilitiesChanged();
    }
    this.#changed();
  }

  /** Takes nothing new, sends what waits for at most `limitMs`, and ends every stream. Idempotent. */
  async stop(limitMs: number): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const { clock } = this.#options;
    this.#direct({ phase: "draining", reason: "bridge_closed" });
    for (const session of this.#data) session.stop();
    const until = clock.monotonicMs() + limitMs;
    while (this.#router.buffered > 0 && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => clock.after(20, resolve));
    }
    for (const inlet of this.#inlets) inlet.tell();
    for (const timer of this.#timers) timer.cancel();
    this.#pause?.cancel();
    const gone = new TransportError("Unavailable", "the connector is stopping");
    this.#control.endAll((link) => link.end(gone));
    for (const session of this.#data) session.link.end(gone);
    // what was written may wait in their windows still: they are gone when the other end has all of it
    const restMs = Math.max(until - clock.monotonicMs(), leastCloseMs);
    const closing = [this.#router.close(restMs), this.#hub.close(restMs)];
    this.#peers.close(gone);
    this.#inbox.close();
    await Promise.all(closing);
  }

  get #hubTarget(): Target {
    const { hub } = this.#binding;
    return hub === null ? this.#options.hub : { ...hub, isHub: true };
  }

  #headers(): Headers {
    const { namespace, storyRun, step, generation } = this.#options;
    return {
      [requestHeaders.protocol]: protocolVersion,
      [requestHeaders.storyRun]: storyRun,
      [requestHeaders.namespace]: namespace,
      [requestHeaders.step]: step,
      [requestHeaders.generation]: String(generation),
      [requestHeaders.capabilities]: capabilitiesMode(this.#binding),
    };
  }

  #capabilities(): Readonly<Record<string, string>> | null {
    if (!this.#options.reports) return null;
    const capabilities = capabilitiesOf(this.#binding);
    return Object.keys(capabilities).length === 0 ? null : capabilities;
  }

  #newWay(target: Target, countsAcks: boolean, events: WayEvents): Way {
    const { driver, limits, clock, random } = this.#options;
    return new Way(target, {
      driver,
      headers: () => this.#headers(),
      limits: outboxLimits(limits.channelBufferSize),
      redial: hubRedial,
      dialTimeoutMs: limits.hubDialTimeoutMs,
      stallLimitMs: limits.stallLimitMs,
      isReliable: () => this.#binding.isReliable,
      countsAcks,
      clock,
      random,
    }, events);
  }

  /** A peer of ours: it acknowledges by credits, and sends nothing else. */
  #newPeerWay(target: Target, events: Pick<WayEvents, "delivered" | "dropped" | "drained" | "room">): Way {
    const { log, step } = this.#options;
    const way: Way = this.#newWay(target, true, {
      ...events,
      opened: () => log.info("peer connected", { step, address: target.address }),
      lost: (error) => log.info("peer lost", { step, address: target.address, reason: error?.reason }),
      failed: (error) => log.warn("peer refuses", { step, address: target.address, reason: error.reason }),
      message: (bytes, start, end) => {
        inlet.receive(bytes, start, end);
        return true;
      },
      endOfChunk: () => inlet.endOfChunk(),
    });
    const inlet = this.#newInlet({
      send: (message) => void way.sendNow([message]),
      flush: () => way.flush(),
      resume: () => way.resume(),
      signal: () => {},
      acknowledged: (flow) => way.acknowledge(flow.creditsMessages),
    }, true);
    return way;
  }

  #newInlet(port: ConstructorParameters<typeof Inlet>[1], isPeer: boolean): Inlet {
    const { clock, limits } = this.#options;
    const inlet = new Inlet(
      {
        clock,
        inbox: this.#inbox,
        gates: this.gates,
        assembler: new Assembler(clock),
        maxSendBytes: limits.maxSendBytes,
        touched: () => this.#touch(),
        dropped: (reason, detail) => this.#dropped(reason, detail),
        serial: () => ++this.#serial,
      },
      port,
      this.#policyOf(isPeer),
    );
    this.#inlets.add(inlet);
    return inlet;
  }

  #policyOf(isPeer: boolean) {
    return isPeer ? { ...this.#binding.acks, grantsCredits: true } : this.#binding.acks;
  }

  #closeInlet(inlet: Inlet): void {
    inlet.close();
    this.#inlets.delete(inlet);
  }

  #hubOpened(again: boolean): void {
    if (this.#hubInlet !== null) this.#closeInlet(this.#hubInlet);
    this.#hubInlet = this.#newInlet({
      send: (message) => void this.#hub.sendNow([message]),
      flush: () => this.#hub.flush(),
      resume: () => this.#hub.resume(),
      signal: (isPaused) => this.#signal(isPaused),
      acknowledged: () => {},
    }, false);
    this.#touch();
    this.#signal(false);
    this.#connected.resolve();
    this.#direct({ phase: "cutover", reason: again ? "hub_reconnected" : "hub_connected" });
    this.#options.log.info(again ? "hub connected again" : "hub connected", this.#fields());
    this.#changed();
  }

  #hubLost(error: TransportError | null): void {
    if (this.#hubInlet !== null) this.#closeInlet(this.#hubInlet);
    this.#hubInlet = null;
    this.#signal(false);
    if (this.#isStopping) return;
    const reason = error === null || error.reason === "Unavailable" || error.reason === "HubDraining"
      ? "hub_disconnected"
      : "hub_recv_failed";
    this.#direct({ phase: "draining", reason });
    this.#options.log.warn("hub lost", { ...this.#fields(), reason: error?.reason, detail: error?.message });
    this.#changed();
  }

  /** PAUSE holds the engram by its HTTP/2 window; nothing is discarded (W-26). */
  #signal(isPaused: boolean): void {
    this.#pause?.cancel();
    this.#pause = isPaused ? this.#options.clock.after(maxPauseMs, () => this.#signal(false)) : null;
    if (!isPaused) this.#room();
  }

  #room(): void {
    for (const session of this.#data) session.room();
  }

  #receipt(receipt: Receipt): void {
    this.#touch();
    this.#inbox.receipt(receipt.streamId, receipt.partition, receipt.sequence);
    for (const inlet of this.#inlets) if (inlet.receipt(receipt)) break;
    this.#inbox.pump();
  }

  #direct(directive: Directive): void {
    this.#control.direct(directive);
  }

  #dropped(reason: InletDrop, detail: string): void {
    if (this.counters.downstreamDrop(reason)) {
      this.#options.log.warn("packet dropped", { ...this.#fields(), reason, detail: detail.slice(0, 200) });
    }
  }

  #touch(): void {
    this.#touchedMs = this.#options.clock.monotonicMs();
  }

  #refuseWhenStopping(): void {
    if (this.#isStopping) throw new TransportError("Unavailable", "the connector is stopping");
  }

  #fields() {
    const { namespace, storyRun, step, generation } = this.#options;
    return { namespace, storyRun, step, generation };
  }
}

function checkProtocol(headers: Headers, stream: "data" | "control" | "process"): void {
  if (Object.keys(headers).length === 0) {
    throw new TransportError("ProtocolVersion", `${stream} stream missing metadata`);
  }
  const version = headers[requestHeaders.protocol]?.trim() ?? "";
  if (version === protocolVersion) return;
  const text = version === ""
    ? "missing transport protocol version"
    : `unsupported transport protocol version ${JSON.stringify(version)} (expected ${protocolVersion})`;
  throw new TransportError("ProtocolVersion", text);
}
