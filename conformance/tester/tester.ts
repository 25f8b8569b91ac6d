/** What a rule has at hand: contexts to play, requests that fit the endpoint, and the program above it. */
import { ControlType, NackCode, ReturnCode, SesOpcode } from '@verbena/core/wire';
import { Broken, Skipped } from '../rule.ts';
import { DEFAULT_PORT, type EndpointTarget, type QueueTarget, type RegionTarget } from '../target.ts';
import type { Lane } from './lane.ts';
import {
  type Body,
  datagram,
  type Fields,
  fill,
  medium,
  type NextFields,
  rudiRequest,
  type ShortFields,
  small,
  std,
  stdNext,
} from './packets.ts';
import { Peer } from './peer.ts';
import type { SecurityCoat } from './security-coat.ts';
import { differences, type Kind, relative, type Seen, showFields, textOf } from './seen.ts';
import type { UpperCompletion, UpperQueue, UpperRegion, UpperTester } from './upper-tester.ts';

export interface TesterOptions {
  readonly endpoint: EndpointTarget;
  /** Its name in the target. */
  readonly name: string;
  readonly lane: Lane;
  readonly upper: UpperTester | undefined;
  readonly security: SecurityCoat | undefined;
  readonly timeoutMs: number;
  readonly silenceMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Another address to send from; undefined where there is only one. */
  readonly openLane: () => Promise<Lane | undefined>;
  /** Number of the case: it has a part of the common memory to itself. */
  readonly number: number;
}

/** Opens contexts, 16 to one peer at most. */
export interface OpenOptions {
  readonly ordered?: boolean;
  readonly start?: number;
  readonly id?: number;
  /** Another address of the tester. */
  readonly lane?: Lane;
}

export class Tester {
  readonly endpoint: EndpointTarget;
  readonly lane: Lane;
  readonly #options: TesterOptions;
  readonly #peers: Peer[] = [];
  readonly #queues: string[] = [];
  readonly #lanes: Lane[] = [];
  #messages: number;

  constructor(options: TesterOptions) {
    this.#options = options;
    this.endpoint = options.endpoint;
    this.lane = options.lane;
    this.#messages = Math.floor(options.random() * 0x7fff);
  }

  get mtu(): number {
    return this.endpoint.payloadMtu;
  }

  /** How long silence takes, ms. */
  get silenceMs(): number {
    return this.#options.silenceMs;
  }

  /** The protection of this lane. */
  get security(): SecurityCoat {
    if (this.#options.security === undefined) throw new Skipped('the endpoint is not secured');
    return this.#options.security;
  }

  random(below: number): number {
    return Math.floor(this.#options.random() * below);
  }

  // ------------------------------------------------------------------ contexts

  /** A context that this end opens; nothing is sent yet. */
  opens(options: OpenOptions = {}): Peer {
    const { ordered = false, start = 0x2_0000 + this.random(0x7000_0000), id = 1 + this.random(0xffff) } = options;
    return this.#peer({ ordered, id, start, isInitiator: true }, options.lane);
  }

  /** Another address of the tester, a stranger to the contexts of this one. @throws Skipped there is only one */
  async stranger(): Promise<Lane> {
    const lane = await this.#options.openLane();
    if (lane === undefined) throw new Skipped('the tester has one address only');
    this.#lanes.push(lane);
    return lane;
  }

  /** A context that is established: a write of 8 bytes was sent on it and answered. The next PSN is +1. */
  async opened(options: OpenOptions = {}): Promise<Peer> {
    const peer = this.opens(options);
    peer.send(this.write());
    await peer.wantAck(0, { code: ReturnCode.OK });
    return peer;
  }

  /** The endpoint opens a context, by the work that its program is given. */
  async accepts(work: WorkOptions = {}): Promise<Played> {
    const queue = await this.queue({ ordered: work.ordered ?? false });
    const request = await this.post(queue, work);
    const peer = await this.accepted(work.ordered ?? false);
    return { peer, queue, request, first: await peer.want('request', {}, {}) };
  }

  /** A context that the endpoint is opening; its packets are still in the inbox. */
  async accepted(ordered = false): Promise<Peer> {
    const first = await this.lane.loose.take((one) => one.syn, this.#options.timeoutMs);
    if (first === undefined) throw this.#missing('a packet with SYN');
    const peer = this.#peer({ ordered, id: 1 + this.random(0xffff), start: first.start, isInitiator: false });
    peer.remote = first.spdcid;
    this.lane.accepted.set(first.spdcid, peer);
    peer.inbox.add(first);
    for (;;) {
      const more = await this.lane.loose.take((one) => one.syn && one.spdcid === first.spdcid, 0);
      if (more === undefined) return peer;
      peer.inbox.add(more);
    }
  }

  #peer(options: ConstructorParameters<typeof Peer>[1], lane = this.lane): Peer {
    const peer = new Peer(lane, options, this.#options.timeoutMs, this.#options.silenceMs);
    this.#peers.push(peer);
    return peer;
  }

  // ------------------------------------------------------------------ requests that fit the endpoint

  /** A message id that no other request of this case has. */
  messageId(): number {
    this.#messages = (this.#messages % 0xfffe) + 1;
    return this.#messages;
  }

  queueOf(name: string): QueueTarget {
    const queue = this.endpoint.queues[name];
    if (queue === undefined) throw new Skipped(`the target names no queue '${name}'`);
    return queue;
  }

  regionOf(name: string): RegionTarget {
    const region = this.endpoint.regions[name];
    if (region === undefined) throw new Skipped(`the target names no region '${name}'`);
    return region;
  }

  key(name: string): bigint {
    return BigInt(this.regionOf(name).key);
  }

  /** Of the common memory, for requests that may be repeated. */
  get safeKey(): bigint {
    return this.key(this.endpoint.regions['safe'] === undefined ? 'open' : 'safe');
  }

  /** Where in the common memory this case may write. */
  get place(): number {
    const parts = Math.floor(this.regionOf('open').bytes / PART);
    return (this.#options.number % parts) * PART;
  }

  /** Fields that aim at a queue. */
  to(queue: QueueTarget = this.queueOf('sink')): Fields {
    return {
      ...{ rel: queue.relative ? 1 : 0, jobId: queue.job, pidOnFep: queue.pid, resourceIndex: queue.ri, initiator: 3 },
    };
  }

  /** A WRITE in one packet, of 8 bytes unless told, into this case's part of the common memory. */
  write(values: Fields = {}, payload = fill(8)): Body {
    const own = { opcode: SesOpcode.WRITE, memoryKey: this.key('open'), bufferOffset: this.place };
    return this.#std({ ...own, requestLength: payload.length, ...values }, payload);
  }

  /** A SEND in one packet. */
  sendTo(queue: QueueTarget, values: Fields = {}, payload = fill(8)): Body {
    return this.#std({ opcode: SesOpcode.SEND, requestLength: payload.length, ...this.to(queue), ...values }, payload);
  }

  sends(values: Fields = {}, payload = fill(8)): Body {
    return this.sendTo(this.queueOf('sink'), values, payload);
  }

  /** A READ of one packet's worth. */
  read(length: number, values: Fields = {}): Body {
    const own = { opcode: SesOpcode.READ, memoryKey: this.key('open'), bufferOffset: this.place };
    return this.#std({ ...own, requestLength: length, ...values }, fill(0));
  }

  #std(values: Fields, payload: Uint8Array): Body {
    return std({ som: 1, eom: 1, messageId: this.messageId(), ...this.to(), ...values }, payload);
  }

  /** The packets of a message of several, in order. */
  message(length: number, values: NextFields & Fields = {}, salt = 1): Body[] {
    const all = fill(length, salt);
    const isRead = values.opcode === SesOpcode.READ;
    const own = { opcode: SesOpcode.WRITE, messageId: this.messageId(), requestLength: length, ...this.to() };
    const isSend = values.opcode === SesOpcode.SEND || values.opcode === SesOpcode.TAGGED_SEND;
    const where = isSend ? {} : { memoryKey: this.key('open'), bufferOffset: this.place };
    const bodies: Body[] = [];
    for (let at = 0; at < length; at += this.mtu) {
      const piece = all.subarray(at, Math.min(length, at + this.mtu));
      const eom = at + piece.length >= length ? 1 : 0;
      const payload = isRead ? fill(0) : piece;
      const same = { ...own, ...where, ...values };
      const next = { som: 0, eom, payloadLength: piece.length, messageOffset: at };
      bodies.push(at === 0 ? std({ som: 1, eom, ...same }, payload) : stdNext({ ...same, ...next }, payload));
    }
    return bodies;
  }

  short(values: ShortFields = {}, payload = fill(8)): Body {
    const own = { opcode: SesOpcode.WRITE, memoryKey: this.key('open'), bufferOffset: this.place, som: 1, eom: 1 };
    return medium({ ...own, requestLength: payload.length, ...this.to(), ...values }, payload);
  }

  smallBody(values: ShortFields = {}, payload = fill(8)): Body {
    const { initiator: _, ...to } = this.to();
    const own = { opcode: SesOpcode.WRITE, bufferOffset: this.place, som: 1, eom: 1 };
    return small({ ...own, requestLength: payload.length, ...to, ...values }, payload);
  }

  /** A datagram to the queue for datagrams. */
  datagramTo(queue: QueueTarget, values: Fields = {}, payload = fill(8)): Uint8Array {
    const own = { opcode: SesOpcode.DATAGRAM_SEND, som: 1, eom: 1, messageId: 0, memoryKey: BigInt(queue.qkey ?? 0) };
    return datagram(std({ ...own, ...this.to(queue), requestLength: payload.length, ...values }, payload));
  }

  /** Sends an idempotent request. @returns its packet identifier */
  rudi(body: Body, id = this.random(2 ** 32), flags = 0): number {
    this.lane.send(rudiRequest(id, body, flags));
    return id;
  }

  // ------------------------------------------------------------------ expecting without a context

  /** Expects a packet that belongs to no context. */
  async want(kind: Kind, select: Partial<Seen>, expected: Partial<Seen> = {}): Promise<Seen> {
    const seen = await this.lane.loose.take(
      (one) => one.kind === kind && differences(one, select) === '',
      this.#options.timeoutMs,
    );
    const wanted = `${kind} with ${showFields({ ...select, ...expected })}`;
    if (seen === undefined) throw this.#missing(wanted);
    const wrong = differences(seen, { fault: '', ...expected });
    if (wrong !== '') throw new Broken(wanted, `${textOf(seen)}: ${wrong}`);
    return seen;
  }

  /** Expects that a context is still alive: an ACK Request, or a probe, finds it. */
  async wantAlive(peer: Peer): Promise<void> {
    const at = peer.send(this.write());
    await peer.wantAck(at, { code: ReturnCode.OK });
  }

  /** Expects nothing at all on this lane for a while. */
  async quiet(ms = this.#options.silenceMs): Promise<void> {
    const before = this.lane.log.length;
    const { strangers } = this.lane;
    await new Promise((resolve) => setTimeout(resolve, ms));
    const more = this.lane.log.slice(before);
    if (more.length > 0) throw new Broken('silence', more.slice(0, 4).map(textOf).join('; '));
    if (this.lane.strangers > strangers) throw new Broken('silence', 'packets that do not open, or without their CRC');
  }

  /** Reads bytes of the endpoint's memory back, over the wire. */
  async readBack(length: number, offset = this.place, name = 'open'): Promise<Uint8Array> {
    const peer = this.opens();
    peer.control(ControlType.NOOP, { syn: true });
    await peer.wantAck(0);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < length; at += 16) {
      const piece = Math.min(16, length - at);
      const psn = peer.send(this.read(piece, { bufferOffset: offset + at, memoryKey: this.key(name) }));
      parts.push(await this.#readData(peer, psn));
    }
    return new Uint8Array(Buffer.concat(parts));
  }

  /** The data of a read, wherever it comes: in the acknowledgement or in the return direction. */
  async #readData(peer: Peer, psn: number): Promise<Uint8Array> {
    const ack = await peer.wantAck(psn, { code: ReturnCode.OK });
    if (ack.data.length > 0) return ack.data;
    const data = await peer.wantData({ code: ReturnCode.OK });
    peer.answer(data.psn, { opcode: 0, returnCode: ReturnCode.OK, messageId: data.messageId });
    return data.data;
  }

  // ------------------------------------------------------------------ the program above the endpoint

  get upper(): UpperTester {
    if (this.#options.upper === undefined) throw new Skipped('the target has no upper tester');
    return this.#options.upper;
  }

  /** A queue of this case alone. */
  async queue(options: QueueOptions = {}): Promise<UpperQueue> {
    const made = await this.upper.call<UpperQueue>('queue', { endpoint: this.#options.name, ...options });
    this.#queues.push(made.queue);
    return made;
  }

  /** Memory of this case alone, filled like `fill(bytes)`. */
  async region(bytes: number, access: readonly string[]): Promise<UpperRegion> {
    return await this.upper.call<UpperRegion>('region', { endpoint: this.#options.name, bytes, access });
  }

  async receive(queue: UpperQueue, bytes: number, count = 1, more: object = {}): Promise<void> {
    await this.upper.call('receive', { queue: queue.queue, bytes, count, ...more });
  }

  /** Has work posted, aimed at this lane. @returns its number */
  async post(queue: UpperQueue, work: WorkOptions = {}): Promise<number> {
    const { operation = 'write', length = 8, pid = 1, ri = 1, key = '0x77', offset = 0, ...rest } = work;
    const to = { address: this.lane.address, port: this.lane.port === DEFAULT_PORT ? 0 : this.lane.port, pid, ri };
    const values = { queue: queue.queue, operation, length, to, key, offset, ...rest };
    return (await this.upper.call<{ request: number }>('request', values)).request;
  }

  /** Waits for a request of the program to complete. */
  completion(queue: UpperQueue, request: number, timeoutMs = 8_000): Promise<UpperCompletion> {
    return this.upper.call('completion', { queue: queue.queue, request, timeoutMs }, timeoutMs + 2_000);
  }

  /** Waits for the next receive to complete. */
  received(queue: UpperQueue, timeoutMs = 3_000): Promise<UpperCompletion> {
    return this.upper.call('completion', { queue: queue.queue, timeoutMs }, timeoutMs + 2_000);
  }

  /** Nothing may complete on a queue for a while. */
  async nothingReceived(queue: UpperQueue): Promise<void> {
    const { none } = await this.upper.call<{ none?: boolean }>('completion', {
      queue: queue.queue,
      timeoutMs: 30,
      may: true,
    });
    if (none !== true) throw new Broken('no completion', 'one');
  }

  /** Closes what this case opened, without waiting. */
  async end(): Promise<void> {
    for (const peer of this.#peers) {
      if (peer.remote === 0 || peer.isClosed) continue;
      if (peer.isInitiator) peer.control(4);
      else peer.nack(NackCode.CLOSING_IN_ERR, 0);
    }
    for (const lane of this.#lanes) lane.close();
    for (const queue of this.#queues) await this.#options.upper?.call('close', { queue }).catch(() => {});
  }

  #missing(wanted: string): Broken {
    const rest = this.lane.loose.items.slice(0, 6).map((one) => textOf(relative(one, 0)));
    return new Broken(wanted, rest.join('; ') || 'nothing');
  }
}

export interface Played {
  readonly peer: Peer;
  readonly queue: UpperQueue;
  readonly request: number;
  /** The first packet. */
  readonly first: Seen;
}

export interface QueueOptions {
  readonly ordered?: boolean;
  readonly idempotent?: boolean;
  readonly absolute?: boolean;
  readonly datagram?: boolean;
  readonly tagged?: boolean;
  /** Receives to post, and the bytes of each. */
  readonly receives?: number;
  readonly bytes?: number;
}

export interface WorkOptions {
  readonly operation?: string;
  readonly length?: number;
  readonly ordered?: boolean;
  readonly pid?: number;
  readonly ri?: number;
  readonly key?: string;
  readonly offset?: number;
  readonly imm?: string;
  readonly fence?: boolean;
  readonly [name: string]: unknown;
}

/** Bytes of the common memory that a case has to itself. */
const PART = 4096;
