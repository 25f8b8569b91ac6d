/**
 * The engine alone: ns per packet sent, received and acknowledged, and bytes of heap per packet in steady state.
 * No host, no rings, no socket: two engines, packets handed over in memory, one copy of the payload at the receiver.
 *
 *   npm run bench -- engine [--json]
 */
import {
  DmaSpace,
  type Engine,
  findTransport,
  HEADER_ROOM,
  Packet,
  type Reach,
  type ReceiveWork,
  type SendWork,
  type Services,
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

  constructor(payloadMtu: number) {
    this.region = this.dma.attach({ bytes: new Uint8Array(1 << 20), address: 0 });
    this.engine = findTransport('uet')!.createEngine(this, { payloadMtu, entropies: 4, receiveBufferBytes: 0 });
    this.engine.addJob(7);
    this.engine.addQueuePair(0, { qp: 1, qpn: 0x1001, pd: 1, jobId: 7, sourceId: 1, ordered: false });
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
  completeSend(): void {
    this.completed++;
  }
  completeReceive(): void {}
  raise(): void {}
  random = (): number => {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) & 0x7fffffff;
    return this.#seed / 0x80000000;
  };
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
      packet.length = length;
      packet.path = 1;
      packet.entropy = out.entropy;
    }
    for (let i = 0; i < n; i++) to.engine.receive(now, this.#packets[i]!);
    this.packets += n;
    return n;
  }
}

interface Result {
  readonly test: string;
  readonly message_bytes: number;
  readonly packets: number;
  readonly ns_per_packet: number;
  readonly ns_per_message: number;
  readonly heap_bytes_per_packet: number;
}

function measure(test: string, opcode: number, length: number, messages: number): Result {
  const a = new BenchNode(4096);
  const b = new BenchNode(4096);
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
    test,
    message_bytes: length,
    packets,
    ns_per_packet: ns / packets,
    ns_per_message: ns / messages,
    heap_bytes_per_packet: Math.max(0, heap) / packets,
  };
}

const results = [
  measure('write', WorkOpcode.RDMA_WRITE, 64, 1_000_000),
  measure('send', WorkOpcode.SEND, 64, 1_000_000),
  measure('write', WorkOpcode.RDMA_WRITE, 1 << 20, 1_000),
  measure('read', WorkOpcode.RDMA_READ, 1 << 20, 1_000),
];
if (process.argv.includes('--json'))
  console.log(JSON.stringify({ bench: 'engine/uet', node: process.version, results }));
else {
  console.log('test   message bytes     packets   ns/packet  ns/message   heap bytes/packet');
  for (const r of results) {
    console.log(
      `${r.test.padEnd(6)} ${String(r.message_bytes).padStart(13)} ${String(r.packets).padStart(11)} ${r.ns_per_packet.toFixed(1).padStart(11)} ${r.ns_per_message.toFixed(0).padStart(11)} ${r.heap_bytes_per_packet.toFixed(2).padStart(19)}`,
    );
  }
  console.log('\nsent, received, acknowledged and completed, both engines on one core; every packet counted once');
}
