/** Packets for attacks: captured from an honest run, cut, stretched, and changed at the borders of their fields. */
import type { Counters } from '../base/counters.ts';
import type { Transport } from '../engine/engine.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import type { WorkRequest } from '../verbs/work-request.ts';
import { Bed, defaultKind, isConnected } from './bed.ts';
import { packetLayers } from './trace.ts';
import { UNRELIABLE_KINDS, type UnreliablePair, unreliablePair } from './unreliable-pair.ts';

/** A packet of an honest run, each kind of packet a few times. */
export interface CapturedPacket {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

export interface CaptureBed {
  readonly bed: Bed;
  readonly packets: readonly CapturedPacket[];
}

/**
 * Three devices: the first two have exchanged messages of every kind, and what the packets of these named still
 * exists, so a changed one meets live state. The third is a bystander.
 *
 * @param more - further traffic between the first two
 */
export function captureTraffic(
  transport: Transport,
  seed: number,
  settings: Readonly<Record<string, number>> = {},
  kind: QpType = defaultKind(transport),
  more: (bed: Bed) => void = () => {},
): CaptureBed {
  const packets: CapturedPacket[] = [];
  const kinds = new Map<string, number>();
  let recording = true;
  const bed = new Bed({
    ...{ transport, seed, settings, kind, ends: 3, payloadMtu: 256, keep: 16, depth: 1024 },
    connection: { firstPsn: FIRST_PSN },
    inspect: ({ from, to, bytes, length }) => {
      if (!recording) return undefined;
      const kind = `${from} ${to} ${bytes[0]} ${bytes[1]} ${length}`;
      const seen = kinds.get(kind) ?? 0;
      kinds.set(kind, seen + 1);
      if (to < 2 && seen < PER_KIND) packets.push({ from, to, bytes: bytes.slice(0, length) });
      return undefined;
    },
  });
  const { a, b } = bed;
  for (const length of [0, 5, 256, 700]) {
    const source = a.buffer(length, { salt: 1 });
    const remote = b.buffer(length, { salt: 2 }).remote;
    b.qp.postReceive(b.buffer(length).part());
    b.postNotice(b.buffer(length).part());
    a.qp.post({ opcode: 'send', to: a.to(b), ...source.part(), imm: 7 });
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote, imm: 8 });
    a.qp.post({ opcode: 'read', to: a.to(b), ...source.part(), remote });
  }
  bed.completed(a, 12, 0);
  rareOperations(bed);
  const before = a.sent.length;
  // refusals have packets of their own; where they end a connection, it is not the one that is to be attacked
  const source = a.buffer(300, { salt: 1 });
  const spare = isConnected(kind) ? a.queuePair() : a.qp;
  spare.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: b.buffer(10).remote, remoteOffset: 2 ** 40 });
  bed.completed(a, before + 1, 0);
  spare.post({ opcode: 'send', to: a.to(b), ...source.part() });
  bed.pass(20_000);
  for (let i = 0; i < 500; i++) b.qp.postReceive(b.buffer(16).part());
  bed.completed(a, before + 2, 0);
  for (const one of UNRELIABLE_KINDS) {
    if (transport.attributes.queuePairTypes.includes(one)) exchange(bed, unreliablePair(bed, one));
  }
  more(bed);
  recording = false;
  return { bed, packets };
}

/** Atomics and messages that end access, where the transport has them. */
function rareOperations(bed: Bed): void {
  const { a, b } = bed;
  const { operations } = bed.pump.transport.attributes;
  const requests: Omit<WorkRequest, 'to'>[] = [];
  const access = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const;
  const [words, results] = [b, a].map(({ pd, context }) => pd.registerMemory(context.allocate(64), { access }));
  const remote = new RemoteMemory(words!.rkey);
  const result = { region: results!, offset: 0, length: 8 };
  if (operations.includes('cmp-swap')) requests.push({ opcode: 'cmp-swap', ...result, remote, compare: 0, swap: 9 });
  if (operations.includes('fetch-add')) requests.push({ opcode: 'fetch-add', ...result, remote, add: 1 });
  if (operations.includes('fetching-atomic')) {
    // results of all ways back, and the long extension
    for (const [atomicOp, atomicType, length] of TYPED) {
      const operands = { region: results!, offset: 0, length };
      const all = {
        ...operands,
        remote,
        atomicOp,
        atomicType,
        ...(atomicOp === 'CSWAP' ? { comparand: operands } : {}),
      };
      requests.push({ opcode: 'fetching-atomic', ...all, result: operands }, { opcode: 'atomic', ...all });
    }
  }
  if (operations.includes('send-inv')) {
    const { rkey } = b.pd.registerMemory(b.context.allocate(8), { access: [] });
    b.qp.postReceive(b.buffer(8).part());
    requests.push({ opcode: 'send', ...result, invalidate: rkey });
  }
  const due = a.sent.length + requests.length;
  for (const request of requests) a.qp.post({ ...request, to: a.to(b) });
  bed.completed(a, due, 0);
}

const TYPED = [
  ['SUM', 'UINT16', 2],
  ['PROD', 'FLOAT', 48],
  ['CSWAP', 'INT128', 16],
  ['MAX', 'BFLOAT16', 6],
] as const;

/** Messages of all sizes that the kind can have, and writes where it has them. */
function exchange(bed: Bed, { near, far, to }: UnreliablePair): void {
  const { a, b } = bed;
  const isConnected = to.to === undefined;
  for (let i = 0; i < 200; i++) far.postReceive({ id: i, ...b.buffer(800).part() });
  for (const length of [0, 5, 256, ...(isConnected ? [700] : [])]) {
    const source = a.buffer(length, { salt: 1 });
    near.post({ opcode: 'send', ...to, ...source.part() });
    near.post({ opcode: 'send', ...to, ...source.part(), imm: 7 });
    if (!isConnected) continue;
    const { remote } = b.buffer(length);
    near.post({ opcode: 'write', ...source.part(), remote });
    near.post({ opcode: 'write', ...source.part(), remote, imm: 8 });
  }
  bed.pass(1_000_000);
}

export interface Mutation {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** The packet cut to every shorter length, and longer than it was. */
export function* lengthChanges(packet: Uint8Array): Generator<Mutation> {
  for (let length = 0; length < packet.length; length++) {
    yield { what: `cut to ${length} bytes`, bytes: packet.slice(0, length) };
  }
  for (const extra of [1, 3, 100, 511]) {
    const bytes = new Uint8Array(packet.length + extra).fill(0x5a);
    bytes.set(packet);
    yield { what: `${extra} bytes longer`, bytes };
  }
}

/** Each of the first `most` bytes inverted, cleared and filled. */
export function* byteChanges(packet: Uint8Array, most: number): Generator<Mutation> {
  for (let at = 0; at < Math.min(most, packet.length); at++) {
    for (const value of [packet[at]! ^ 0xff, 0x00, 0xff, packet[at]! ^ 1, packet[at]! ^ 0x80]) {
      if (value === packet[at]) continue;
      const changed = packet.slice();
      changed[at] = value;
      yield { what: `byte ${at} = 0x${value.toString(16)}`, bytes: changed };
    }
  }
}

/** Each header field at its limits and beside its value. */
export function* fieldChanges(transport: string, packet: Uint8Array): Generator<Mutation> {
  for (const { header, fields } of packetLayers(transport, packet).layers) {
    for (const { name, offset, bit, bits, value } of fields) {
      for (const [label, setBit] of FILLS) {
        const changed = packet.slice();
        for (let i = 0; i < bits; i++) putBit(changed, offset * 8 + bit + i, setBit(i, bits));
        yield { what: `${header}.${name} ${label}`, bytes: changed };
      }
      if (typeof value !== 'number' || bits > 32) continue;
      for (const near of [value + 1, value - 1]) {
        const changed = packet.slice();
        for (let i = 0; i < bits; i++)
          putBit(changed, offset * 8 + bit + i, Math.floor(near / 2 ** (bits - 1 - i)) & 1);
        yield { what: `${header}.${name} = ${near}`, bytes: changed };
      }
    }
  }
}

/** Watches the counters of an engine: whether a packet left a trace there beyond having come. */
export class Notice {
  readonly #counters: Counters;
  readonly #before: Float64Array;
  readonly #received: number;

  constructor(counters: Counters) {
    this.#counters = counters;
    this.#before = new Float64Array(counters.values.length);
    this.#received = counters.names.indexOf('received_packets');
  }

  /** Remembers how things are. */
  mark(): void {
    this.#before.set(this.#counters.values);
  }

  get arrived(): boolean {
    return this.#counters.values[this.#received] !== this.#before[this.#received];
  }

  get noticed(): boolean {
    return this.#counters.values.some((count, i) => i !== this.#received && count !== this.#before[i]);
  }
}

function putBit(bytes: Uint8Array, at: number, value: number): void {
  const mask = 0x80 >> (at & 7);
  if (value === 0) bytes[at >> 3]! &= ~mask;
  else bytes[at >> 3]! |= mask;
}

const FILLS: readonly (readonly [string, (i: number, bits: number) => number])[] = [
  ['all zeros', () => 0],
  ['all ones', () => 1],
  ['one', (i, bits) => (i === bits - 1 ? 1 : 0)],
  ['highest bit', (i) => (i === 0 ? 1 : 0)],
  ['all but the highest bit', (i) => (i === 0 ? 0 : 1)],
];
const PER_KIND = 2;
/** Connections that are made again expect what was captured once more. */
const FIRST_PSN = 0xff_fff0;
