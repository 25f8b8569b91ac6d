/**
 * Two bare engines face to face: no devices, no rings, no clock. The smallest harness in which an engine runs; state
 * tests and the engine benchmark use it. Work is queued in plain arrays, packets are moved by hand or by `run`.
 */
import { SeededRandom } from '../base/random.ts';
import { DmaSpace } from '../engine/dma.ts';
import { type Engine, noAttributes, type QueuePairConfig, type Services, type Transport } from '../engine/engine.ts';
import { HEADER_ROOM, Packet } from '../engine/packet.ts';
import { AccessFault, WorkOpcode } from '../engine/status.ts';
import type { Nanos } from '../engine/time.ts';
import { type CompletionRecord, type Reach, ReceiveWork, SendWork } from '../engine/work.ts';

export interface RigRegion {
  readonly keyHi: number;
  readonly keyLo: number;
  readonly region: number;
  readonly length: number;
  readonly rights: number;
  readonly pd: number;
  readonly jobId: number;
}

/** One engine with services made of arrays. */
export class RigNode implements Services {
  readonly dma = new DmaSpace();
  readonly engine: Engine;
  readonly sends = new Map<number, SendWork[]>();
  readonly receives = new Map<number, ReceiveWork[]>();
  readonly regions: RigRegion[] = [];
  readonly completions: (CompletionRecord & { readonly receive: boolean; readonly qp: number })[] = [];
  readonly events: { event: number; object: number }[] = [];
  /** Off: completions are counted but not kept (benchmarks). */
  keepCompletions = true;
  completed = 0;
  readonly #random: SeededRandom;
  readonly random: () => number;

  constructor(transport: Transport, seed: number, payloadMtu: number, settings: Record<string, number> = {}) {
    this.#random = new SeededRandom(seed);
    this.random = () => this.#random.next();
    this.engine = transport.createEngine(this, { payloadMtu, entropies: 1, receiveBufferBytes: 0, settings });
  }

  addQueuePair(qp: number, config: Partial<QueuePairConfig> = {}): void {
    this.sends.set(qp, []);
    this.receives.set(qp, []);
    const why = this.engine.addQueuePair(0, {
      qp,
      type: 'RU',
      attributes: noAttributes(),
      qpn: (qp << 12) | 1,
      pd: 1,
      jobId: 7,
      sourceId: qp,
      ordered: false,
      ...config,
    });
    if (why !== '') throw new Error(why);
  }

  /** Registers memory with all rights for everybody in protection domain 1. */
  register(bytes: Uint8Array, key: number | bigint, rights = 15, jobId = 0): number {
    const region = this.dma.attach({ bytes, address: 0 });
    const keyHi = Number(BigInt(key) >> 32n);
    const keyLo = Number(BigInt(key) & 0xffff_ffffn);
    this.regions.push({ keyHi, keyLo, region, length: bytes.length, rights, pd: 1, jobId });
    return region;
  }

  takeSend(qp: number, into: SendWork): boolean {
    const next = this.sends.get(qp)?.shift();
    if (next === undefined) return false;
    const { inlineRegion, inlineOffset, segments, ...fields } = next;
    void inlineRegion;
    void inlineOffset;
    Object.assign(into, fields);
    into.segments.copyFrom(segments);
    into.comparand.copyFrom(next.comparand);
    into.result.copyFrom(next.result);
    return true;
  }

  takeReceive(qp: number, into: ReceiveWork): boolean {
    const next = this.receives.get(qp)?.shift();
    if (next === undefined) return false;
    into.copyFrom(next);
    return true;
  }

  reach(access: Reach): number {
    for (const one of this.regions) {
      if (one.keyLo !== access.keyLo || one.keyHi !== access.keyHi || one.pd !== access.pd) continue;
      if (one.jobId !== 0 && one.jobId !== access.jobId) return AccessFault.WRONG_JOB;
      if ((one.rights & access.rights) !== access.rights) return AccessFault.NO_RIGHT;
      if (access.offset > one.length || access.length > one.length - access.offset) return AccessFault.OUT_OF_BOUNDS;
      access.region = one.region;
      access.regionOffset = access.offset;
      return AccessFault.NONE;
    }
    return AccessFault.NO_KEY;
  }

  completeSend(qp: number, _signaled: boolean, completion: CompletionRecord): void {
    this.completed++;
    if (this.keepCompletions) this.completions.push({ ...completion, receive: false, qp });
  }

  completeReceive(qp: number, completion: CompletionRecord): void {
    this.completed++;
    if (this.keepCompletions) this.completions.push({ ...completion, receive: true, qp });
  }

  invalidate(_qp: number, keyLo: number, keyHi: number): boolean {
    const at = this.regions.findIndex((one) => one.keyLo === keyLo && one.keyHi === keyHi);
    if (at >= 0) this.regions.splice(at, 1);
    return at >= 0;
  }

  fail(qp: number, event: number): void {
    this.raise(event, qp);
  }

  route(_path: number, into: Uint8Array): void {
    into.fill(0);
  }

  raise(event: number, object: number): void {
    this.events.push({ event, object });
  }

  /** Queues a send request; call `engine.doorbell` afterwards. */
  post(qp: number, fields: Partial<SendWork> & { region?: number; offset?: number; length?: number }): void {
    const work = new SendWork();
    const { region, offset = 0, length = 0, ...rest } = fields;
    Object.assign(work, { jobId: 7, opcode: WorkOpcode.SEND, path: 1, remoteQpn: (1 << 12) | 1, ...rest });
    work.length = length;
    if (region !== undefined) work.segments.add(region, offset, length);
    this.sends.get(qp)!.push(work);
  }

  postReceive(qp: number, region: number, offset: number, length: number, id = 0): void {
    const work = new ReceiveWork();
    work.wrIdLo = id;
    work.length = length;
    if (length > 0) work.segments.add(region, offset, length);
    this.receives.get(qp)!.push(work);
  }
}

/** A packet in flight: bytes as on the wire, behind UDP. */
export interface RigPacket {
  readonly to: RigNode;
  readonly bytes: Uint8Array;
  /** The path by which the sender meant it to leave. */
  readonly path?: number;
}

/** Two nodes whose packets go to each other; each sees the other as path 1. */
export class EngineRig {
  readonly a: RigNode;
  readonly b: RigNode;
  now: Nanos = 1_000;
  readonly #out = new Packet(new Uint8Array(HEADER_ROOM + 16_384));

  constructor(
    transport: Transport,
    options: { seed?: number; payloadMtu?: number; settings?: Record<string, number> } = {},
  ) {
    const { seed = 1, payloadMtu = 1024, settings = {} } = options;
    this.a = new RigNode(transport, seed, payloadMtu, settings);
    this.b = new RigNode(transport, seed + 1, payloadMtu, settings);
  }

  other(node: RigNode): RigNode {
    return node === this.a ? this.b : this.a;
  }

  /** Everything that a node wants to send now. */
  drain(node: RigNode): RigPacket[] {
    const sent: RigPacket[] = [];
    for (let n = 0; ; n++) {
      if (n > 100_000) throw new Error('the engine never stops sending');
      const out = this.#out;
      out.reset();
      if (!node.engine.transmit(this.now, out)) return sent;
      sent.push({ to: this.other(node), bytes: gathered(node, out), path: out.path });
    }
  }

  /** Hands bytes to a node as if they came from the other. */
  deliver(node: RigNode, bytes: Uint8Array, path = 1): void {
    const packet = new Packet(bytes.slice());
    packet.length = bytes.length;
    packet.path = path;
    node.engine.receive(this.now, packet);
  }

  /** Moves packets and time until nothing happens for `idle` of simulated time. */
  run(options: { until?: () => boolean; forNanos?: Nanos; lose?: (packet: RigPacket) => boolean } = {}): void {
    const end = this.now + (options.forNanos ?? 10_000_000_000);
    for (let rounds = 0; this.now <= end; rounds++) {
      if (rounds > 1_000_000) throw new Error('the engines never come to rest');
      const packets = [...this.drain(this.a), ...this.drain(this.b)];
      for (const packet of packets) if (!options.lose?.(packet)) this.deliver(packet.to, packet.bytes);
      if (options.until?.() === true) return;
      if (packets.length > 0) {
        this.now += 1_000;
        continue;
      }
      const next = Math.min(this.a.engine.deadline(), this.b.engine.deadline());
      if (next > end) return;
      this.now = Math.max(this.now, next);
      this.a.engine.expire(this.now);
      this.b.engine.expire(this.now);
    }
  }
}

function gathered(node: RigNode, out: Packet): Uint8Array {
  const bytes = new Uint8Array(out.length + out.payloadLength() + out.padding);
  bytes.set(out.bytes.subarray(out.at, out.at + out.length));
  let at = out.length;
  for (let i = 0; i < out.slices; i++) {
    const length = out.sliceLength[i]!;
    if (!node.dma.fetch(out.sliceRegion[i]!, out.sliceOffset[i]!, bytes, at, length))
      throw new Error('slice outside its region');
    at += length;
  }
  return bytes;
}
