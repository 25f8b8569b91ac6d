/** Sends requests: one message of a queue pair after the other, one packet of it after the other. */
import type { Counters } from '../../base/counters.ts';
import { psnAdd } from '../../base/psn.ts';
import type { EngineConfig, Services } from '../../engine/engine.ts';
import type { Packet } from '../../engine/packet.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../engine/status.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { CompletionRecord } from '../../engine/work.ts';
import { byteLength } from '../../wire/header.ts';
import { LoopHeader, LoopOpcode } from '../../wire/loop/loop.ts';
import { settingOf } from './attributes.ts';
import { COUNT } from './drops.ts';
import { findQpn, gather, type Sender, scatter } from './records.ts';

const { opcode, status, hasImm, life, sequence, sourceQpn, destQpn, jobId } = LoopHeader;
const { sourceId, offset, total, key, address, imm } = LoopHeader;

export class Requester {
  readonly #services: Services;
  readonly #mtu: number;
  readonly #counters: Counters;
  readonly #senders: readonly Sender[];
  readonly #rto: Nanos;
  readonly #maxRetries: number;
  readonly #rnrBackoff: Nanos;
  readonly #maxRnrRetries: number;
  readonly #life: number;
  #sequence: number;
  readonly #completion = new CompletionRecord();

  constructor(services: Services, config: EngineConfig, counters: Counters, senders: readonly Sender[]) {
    this.#services = services;
    this.#mtu = config.payloadMtu;
    this.#counters = counters;
    this.#senders = senders;
    this.#rto = settingOf(config.settings, 'rto');
    this.#maxRetries = settingOf(config.settings, 'maxRetries');
    this.#rnrBackoff = settingOf(config.settings, 'rnrBackoff');
    this.#maxRnrRetries = settingOf(config.settings, 'maxRnrRetries');
    this.#life = Math.floor(services.random() * 2 ** 32);
    this.#sequence = Math.floor(services.random() * 2 ** 32);
  }

  /** Queue pairs with a message under way. */
  get busy(): number {
    return this.#senders.reduce((count, one) => count + (one.busy ? 1 : 0), 0);
  }

  takeWork(sender: Sender): void {
    while (this.#services.takeSend(sender.config.qp, sender.work)) {
      sender.offset = sender.chunk = 0;
      sender.busy = true;
      if (sender.work.status === Status.SUCCESS) return this.#advance(sender);
      this.#complete(sender, sender.work.status);
    }
  }

  /** The queue pair goes away, and what it has not done will not be done. */
  flush(sender: Sender): void {
    if (sender.busy) this.#complete(sender, Status.WR_FLUSH_ERR);
    while (this.#services.takeSend(sender.config.qp, sender.work)) this.#complete(sender, Status.WR_FLUSH_ERR);
  }

  answered(now: Nanos, packet: Packet): void {
    const { view, at } = packet;
    const sender = findQpn(this.#senders, destQpn.get(view, at));
    if (sender === undefined || !this.#isAwaited(sender, packet)) return this.#counters.add(COUNT.dropped_answer);
    const { work } = sender;
    const code = status.get(view, at);
    if (code === Status.RNR_RETRY_EXC_ERR && sender.rnrRetries < this.#maxRnrRetries) {
      this.#counters.add(COUNT.rnr_retries);
      sender.pausing = true;
      sender.ready = false;
      sender.due = now + this.#rnrBackoff * 2 ** Math.min(sender.rnrRetries++, MAX_DOUBLINGS);
      return;
    }
    if (code === Status.SUCCESS && work.opcode === WorkOpcode.RDMA_READ) {
      const placed = scatter(this.#services.dma, work.segments, sender.offset, packet, at + HEADER_BYTES);
      if (!placed) return this.#finish(sender, Status.LOC_PROT_ERR);
    }
    if (code === Status.SUCCESS && sender.offset + sender.chunk < work.length) this.#advance(sender);
    else this.#finish(sender, code);
  }

  /** Whether the packet answers the one in flight. */
  #isAwaited(sender: Sender, { view, at, path, length }: Packet): boolean {
    if (!sender.busy || sender.pausing || sender.work.path !== path) return false;
    if (sequence.get(view, at) !== sender.sequence || life.get(view, at) !== this.#life) return false;
    const hasData = sender.work.opcode === WorkOpcode.RDMA_READ && status.get(view, at) === Status.SUCCESS;
    return length === HEADER_BYTES + (hasData ? sender.chunk : 0);
  }

  deadline(): Nanos {
    let due = NEVER;
    for (let i = 0; i < this.#senders.length; i++) due = Math.min(due, this.#senders[i]!.due);
    return due;
  }

  expire(now: Nanos): void {
    for (let i = 0; i < this.#senders.length; i++) {
      const sender = this.#senders[i]!;
      if (sender.due > now) continue;
      sender.due = NEVER;
      if (!sender.pausing && sender.retries++ >= this.#maxRetries) {
        this.#finish(sender, Status.RETRY_EXC_ERR);
      } else {
        sender.pausing = false;
        sender.ready = true;
        this.#counters.add(COUNT.retransmitted_packets);
      }
    }
  }

  transmit(now: Nanos, out: Packet): boolean {
    for (let i = 0; i < this.#senders.length; i++) {
      const sender = this.#senders[i]!;
      while (sender.ready) {
        if (this.#write(now, sender, out)) return true;
        out.slices = 0;
        this.#finish(sender, Status.LOC_PROT_ERR);
      }
    }
    return false;
  }

  /** The next packet of the message, under a new number. */
  #advance(sender: Sender): void {
    sender.offset += sender.chunk;
    sender.chunk = Math.min(this.#mtu, sender.work.length - sender.offset);
    sender.sequence = this.#sequence = psnAdd(this.#sequence, 1);
    sender.retries = sender.rnrRetries = 0;
    sender.due = NEVER;
    sender.ready = true;
  }

  /** @returns false when the memory of the message has gone */
  #write(now: Nanos, sender: Sender, out: Packet): boolean {
    const { work } = sender;
    const { view, at } = out;
    if (work.opcode !== WorkOpcode.RDMA_READ) gather(work.segments, sender.offset, sender.chunk, out);
    for (let i = 0; i < out.slices; i++) {
      if (this.#services.dma.target(out.sliceRegion[i]!) === undefined) return false;
    }
    out.length = HEADER_BYTES;
    out.path = work.path;
    view.setUint32(at, 0); // reserved bits
    opcode.set(view, at, OPCODE_OF[work.opcode]!);
    hasImm.set(view, at, HAS_IMM[work.opcode]!);
    life.set(view, at, this.#life);
    sequence.set(view, at, sender.sequence);
    sourceQpn.set(view, at, sender.config.qpn);
    destQpn.set(view, at, work.remoteQpn);
    jobId.set(view, at, work.jobId);
    sourceId.set(view, at, sender.config.sourceId);
    offset.set(view, at, sender.offset);
    total.set(view, at, work.length);
    key.set(view, at, work.rkeyHi, work.rkeyLo);
    address.set(view, at, work.remoteOffsetHi, work.remoteOffsetLo);
    imm.set(view, at, work.immHi, work.immLo);
    sender.ready = false;
    sender.due = now + this.#rto * 2 ** Math.min(sender.retries, MAX_DOUBLINGS);
    return true;
  }

  #finish(sender: Sender, code: number): void {
    this.#complete(sender, code);
    this.takeWork(sender);
  }

  #complete(sender: Sender, code: number): void {
    const { work } = sender;
    const completion = this.#completion;
    completion.wrIdLo = work.wrIdLo;
    completion.wrIdHi = work.wrIdHi;
    completion.status = completion.vendorStatus = code;
    completion.opcode = COMPLETION_OF[work.opcode]!;
    completion.byteLength = work.length;
    completion.remoteQpn = work.remoteQpn;
    completion.jobId = work.jobId;
    completion.path = work.path;
    sender.busy = sender.ready = sender.pausing = false;
    sender.due = NEVER;
    this.#services.completeSend(sender.config.qp, work.signaled, completion);
  }
}

// by WorkOpcode: write, write with immediate, send, send with immediate, read
const OPCODE_OF = [LoopOpcode.WRITE, LoopOpcode.WRITE, LoopOpcode.SEND, LoopOpcode.SEND, LoopOpcode.READ];
const HAS_IMM = [0, 1, 0, 1, 0];
const { SEND, RDMA_WRITE, RDMA_READ } = CompletionOpcode;
const COMPLETION_OF = [RDMA_WRITE, RDMA_WRITE, SEND, SEND, RDMA_READ];
const HEADER_BYTES = byteLength(LoopHeader);
/** A wait doubles so often. */
const MAX_DOUBLINGS = 4;
