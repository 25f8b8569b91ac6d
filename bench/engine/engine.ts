/**
 * Engines alone: ns per packet sent, received and acknowledged, and bytes of heap per packet in steady state. No host, no
 * rings, no socket: two engines, packets handed over in memory, one copy of the payload at the receiver. The transports
 * take turns, each time in a process of its own: code that two of them have used is slower for both. Medians of the rounds
 * are printed.
 *
 *   npm run bench -- engine [--json] [--transport NAME] [--rounds N]
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type CompletionRecord,
  DmaSpace,
  type Engine,
  findTransport,
  HEADER_ROOM,
  noAttributes,
  Packet,
  type QueuePairConfig,
  type Reach,
  type ReceiveWork,
  type SendWork,
  type Services,
  type Transport,
  WorkOpcode,
} from '@verbena/core';

/** Services that allocate nothing: one region, endless identical work. */
class BenchNode implements Services {
  readonly dma = new DmaSpace();
  readonly engine: Engine;
  readonly region: number;
  budget = 0;
  completed = 0;
  opcode: number = WorkOpcode.RDMA_WRITE;
  length = 0;
  #seed = 1;

  constructor(transport: Transport, payloadMtu: number) {
    this.region = this.dma.attach({ bytes: new Uint8Array(1 << 20), address: 0 });
    this.engine = transport.createEngine(this, { payloadMtu, entropies: 4, receiveBufferBytes: 0 });
    this.engine.addJob(7);
    const why = this.engine.addQueuePair(0, configOf(transport, payloadMtu));
    if (why !== '') throw new Error(why);
  }
  takeSend(_qp: number, into: SendWork): boolean {
    if (this.budget === 0) return false;
    this.budget--;
    into.wrIdLo = into.wrIdHi = 0;
    into.opcode = this.opcode;
    into.signaled = true;
    into.status = 0;
    into.length = this.length;
    into.segments.clear();
    into.segments.add(this.region, 0, this.length);
    into.path = 1;
    into.remoteQpn = 0x1001;
    into.jobId = 7;
    into.rkeyLo = 9;
    into.rkeyHi = 0;
    into.remoteOffsetLo = into.remoteOffsetHi = 0;
    return true;
  }
  takeReceive(_qp: number, into: ReceiveWork): boolean {
    into.wrIdLo = into.wrIdHi = 0;
    into.status = 0;
    into.length = this.length;
    into.segments.clear();
    into.segments.add(this.region, 0, this.length);
    return true;
  }
  reach(access: Reach): number {
    access.region = this.region;
    access.regionOffset = access.offset;
    return 0;
  }
  completeSend(_qp: number, _signaled: boolean, completion: CompletionRecord): void {
    if (completion.status !== 0) throw new Error(`a request ended with status ${completion.status}`);
    this.completed++;
  }
  completeReceive(): void {}
  invalidate(): boolean {
    return false;
  }
  fail(_qp: number, fault: number): void {
    throw new Error(`the queue pair failed: ${fault}`);
  }
  route(_path: number, into: Uint8Array): void {
    into.fill(0);
  }
  raise(): void {}
  random = (): number => {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) & 0x7fffffff;
    return this.#seed / 0x80000000;
  };
}

/** A queue pair that reaches anybody where the transport has such, else one that is connected with its like. */
function configOf({ attributes: { queuePairTypes } }: Transport, pathMtu: number): QueuePairConfig {
  const base = { qp: 1, qpn: 0x1001, pd: 1, jobId: 7, sourceId: 1, ordered: false, attributes: noAttributes() };
  if (queuePairTypes.includes('RU')) return { ...base, type: 'RU' };
  const retries = { timeout: 14, retryCount: 7, rnrRetry: 7, minRnrTimer: 12 };
  const attributes = { ...noAttributes(), pathMtu, ...retries, maxRdAtomic: 16, maxDestRdAtomic: 16 };
  return { ...base, type: 'RC', attributes, peerPath: 1, peerQpn: base.qpn };
}

/** Moves packets from one engine to the other through a flat arena, in batches as a host would. */
class Mover {
  readonly #arena: Uint8Array;
  readonly #packets: Packet[] = [];
  readonly #out: Packet;
  packets = 0;

  constructor(slot: number) {
    this.#arena = new Uint8Array(64 * slot);
    for (let i = 0; i < 64; i++) this.#packets.push(new Packet(this.#arena, i * slot));
    this.#out = new Packet(new Uint8Array(HEADER_ROOM));
  }

  move(now: number, from: BenchNode, to: BenchNode): number {
    let n = 0;
    const out = this.#out;
    while (n < 64) {
      out.reset();
      if (!from.engine.transmit(now, out)) break;
      const packet = this.#packets[n++]!;
      for (let i = 0; i < out.length; i++) packet.bytes[packet.at + i] = out.bytes[i]!;
      let length = out.length;
      // the payload's own bytes do not matter here; its copy at the receiver does
      for (let i = 0; i < out.slices; i++) length += out.sliceLength[i]!;
      packet.length = length + out.padding;
      packet.path = 1;
      packet.entropy = out.entropy;
    }
    for (let i = 0; i < n; i++) to.engine.receive(now, this.#packets[i]!);
    this.packets += n;
    return n;
  }
}

interface Result {
  readonly transport: string;
  readonly test: string;
  readonly message_bytes: number;
  readonly packets: number;
  readonly ns_per_packet: number;
  readonly ns_per_message: number;
  readonly heap_bytes_per_packet: number;
}

function measure(transport: Transport, { test, opcode, length, messages }: Test): Result {
  const a = new BenchNode(transport, 4096);
  const b = new BenchNode(transport, 4096);
  a.opcode = b.opcode = opcode;
  a.length = b.length = length;
  const mover = new Mover(HEADER_ROOM + 4096);
  let now = 1_000;
  const run = (count: number): void => {
    const goal = a.completed + count;
    a.budget = count;
    while (a.completed < goal) {
      now += 1_000;
      a.engine.doorbell(now, 1);
      const moved = mover.move(now, a, b) + mover.move(now, b, a);
      if (moved === 0) {
        now = Math.max(now, Math.min(a.engine.deadline(), b.engine.deadline()));
        a.engine.expire(now);
        b.engine.expire(now);
      }
    }
  };
  for (let i = 0; i < 3; i++) run(messages); // warm: pools filled, code optimised
  globalThis.gc?.();
  const packetsBefore = mover.packets;
  const heapBefore = process.memoryUsage().heapUsed;
  const start = process.hrtime.bigint();
  run(messages);
  const ns = Number(process.hrtime.bigint() - start);
  const heap = process.memoryUsage().heapUsed - heapBefore;
  const packets = mover.packets - packetsBefore;
  return {
    transport: transport.name,
    test,
    message_bytes: length,
    packets,
    ns_per_packet: ns / packets,
    ns_per_message: ns / messages,
    heap_bytes_per_packet: Math.max(0, heap) / packets,
  };
}

interface Test {
  readonly test: string;
  readonly opcode: number;
  readonly length: number;
  readonly messages: number;
}

const TESTS: readonly Test[] = [
  { test: 'write', opcode: WorkOpcode.RDMA_WRITE, length: 64, messages: 300_000 },
  { test: 'send', opcode: WorkOpcode.SEND, length: 64, messages: 300_000 },
  { test: 'write', opcode: WorkOpcode.RDMA_WRITE, length: 1 << 20, messages: 1000 },
  { test: 'read', opcode: WorkOpcode.RDMA_READ, length: 1 << 20, messages: 1000 },
];

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    transport: { type: 'string', multiple: true, default: ['uet', 'roce'] },
    rounds: { type: 'string', default: '3' },
    /** Number of the only test to run: what this program starts itself with. */
    test: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const transports = values.transport.map((name) => findTransport(name));
if (!(Number.isInteger(rounds) && rounds > 0) || transports.includes(undefined)) {
  console.error('usage: --transport NAME (of this build), --rounds N, --json');
  process.exit(2);
}

if (values.test !== undefined) {
  console.log(JSON.stringify(measure(transports[0]!, TESTS[Number(values.test)]!)));
  process.exit(0);
}

/** A measurement in a fresh process. */
function measureApart(transport: Transport, test: number): Result {
  const options = ['--transport', transport.name, '--test', String(test)];
  const script = fileURLToPath(import.meta.url);
  const output = execFileSync(process.execPath, [...process.execArgv, script, ...options], { encoding: 'utf8' });
  return JSON.parse(output) as Result;
}

const results = TESTS.flatMap((_, test) => {
  const all = Array.from({ length: rounds }, () => transports.map((transport) => measureApart(transport!, test)));
  return transports.map((_, i) => median(all.map((round) => round[i]!)));
});

function median(list: readonly Result[]): Result {
  return [...list].sort((one, other) => one.ns_per_packet - other.ns_per_packet)[list.length >> 1]!;
}

if (values.json) console.log(JSON.stringify({ bench: 'engine', node: process.version, rounds, results }));
else {
  console.log('transport  test   message bytes     packets   ns/packet  ns/message   heap bytes/packet');
  for (const r of results) {
    const cells = [
      r.transport.padEnd(10),
      r.test.padEnd(6),
      String(r.message_bytes).padStart(13),
      String(r.packets).padStart(11),
      r.ns_per_packet.toFixed(1).padStart(11),
      r.ns_per_message.toFixed(0).padStart(11),
      r.heap_bytes_per_packet.toFixed(2).padStart(19),
    ];
    console.log(cells.join(' '));
  }
  console.log('\nsent, received, acknowledged and completed, both engines on one core; every packet counted once');
}
