/** Executes requests, each number once, and answers them. */
import type { Counters } from '../../base/counters.ts';
import { psnAdd, psnDelta } from '../../base/psn.ts';
import type { EngineConfig, Services } from '../../engine/engine.ts';
import type { Packet } from '../../engine/packet.ts';
import { Access, AccessFault, CompletionOpcode, Status } from '../../engine/status.ts';
import { MILLISECOND, type Nanos, NEVER, SECOND } from '../../engine/time.ts';
import { CompletionRecord, Reach } from '../../engine/work.ts';
import { byteLength } from '../../wire/header.ts';
import { LoopHeader, LoopOpcode } from '../../wire/loop/loop.ts';
import { MAX_PEERS } from './attributes.ts';
import { COUNT } from './drops.ts';
import { findQpn, Peer, type Sender, scatter } from './records.ts';

const { opcode, status, hasImm, life, sequence, sourceQpn, destQpn, jobId } = LoopHeader;
const { sourceId, offset, total, key, address, imm } = LoopHeader;

export class Responder {
  readonly #services: Services;
  readonly #mtu: number;
  readonly #counters: Counters;
  readonly #senders: readonly Sender[];
  readonly #jobs: ReadonlyMap<number, number>;
  readonly #peers: Peer[] = [];
  #closing = false;
  readonly #reach = new Reach();
  readonly #completion = new CompletionRecord();

  constructor(
    services: Services,
    config: EngineConfig,
    counters: Counters,
    senders: readonly Sender[],
    jobs: ReadonlyMap<number, number>,
  ) {
    this.#services = services;
    this.#mtu = config.payloadMtu;
    this.#counters = counters;
    this.#senders = senders;
    this.#jobs = jobs;
  }

  /** Remote queue pairs that are remembered. */
  get peers(): number {
    return this.#peers.length;
  }

  requested(now: Nanos, packet: Packet): void {
    const { view, at } = packet;
    const number = sequence.get(view, at);
    const peer = this.#peer(packet.path, sourceQpn.get(view, at), number);
    if (peer === undefined) return;
    if (peer.life !== life.get(view, at)) {
      this.#endReceive(peer, Status.REM_ABORT_ERR);
      peer.life = life.get(view, at);
      peer.sequence = psnAdd(number, -1);
    }
    const ahead = psnDelta(peer.sequence, number);
    if (ahead < 0) return this.#counters.add(COUNT.dropped_stale);
    if (ahead === 0) this.#counters.add(COUNT.dropped_duplicate);
    // a READ is executed again: that is harmless, and its memory may have gone
    const isNew = ahead > 0 || opcode.get(view, at) === LoopOpcode.READ;
    peer.answerStatus = isNew ? this.#execute(peer, packet) : peer.status;
    if (peer.answerStatus !== Status.RNR_RETRY_EXC_ERR) {
      peer.sequence = number;
      peer.status = peer.answerStatus;
    }
    peer.answerSequence = number;
    peer.answering = true;
    peer.due = now + (this.#closing ? LINGER : FORGET);
  }

  transmit(out: Packet): boolean {
    for (let i = 0; i < this.#peers.length; i++) {
      const peer = this.#peers[i]!;
      if (!peer.answering) continue;
      const { view, at } = out;
      if (peer.length > 0 && this.#services.dma.target(peer.region) === undefined) {
        peer.answerStatus = Status.REM_ACCESS_ERR;
        peer.length = 0;
      }
      if (peer.length > 0) out.gather(peer.region, peer.offset, peer.length);
      out.length = HEADER_BYTES;
      out.path = peer.path;
      out.control = peer.length === 0;
      for (let byte = 0; byte < HEADER_BYTES; byte += 4) view.setUint32(at + byte, 0);
      opcode.set(view, at, LoopOpcode.ANSWER);
      status.set(view, at, peer.answerStatus);
      life.set(view, at, peer.life);
      sequence.set(view, at, peer.answerSequence);
      destQpn.set(view, at, peer.qpn);
      peer.answering = false;
      return true;
    }
    return false;
  }

  deadline(): Nanos {
    let due = NEVER;
    for (let i = 0; i < this.#peers.length; i++) due = Math.min(due, this.#peers[i]!.due);
    return due;
  }

  /** Forgets peers that have been silent. */
  expire(now: Nanos): void {
    for (let i = this.#peers.length - 1; i >= 0; i--) {
      const peer = this.#peers[i]!;
      if (peer.due > now) continue;
      this.#endReceive(peer, Status.REM_ABORT_ERR);
      this.#peers.splice(i, 1);
    }
  }

  /** From now on only repeated requests are answered, and not for long. */
  close(now: Nanos): void {
    this.#closing = true;
    for (const peer of this.#peers) peer.due = Math.min(peer.due, now + LINGER);
  }

  queuePairRemoved(qp: number): void {
    for (const peer of this.#peers) if (peer.receiver === qp) this.#endReceive(peer, Status.WR_FLUSH_ERR);
  }

  /** The record of the sender; undefined when the request cannot be taken. */
  #peer(path: number, qpn: number, number: number): Peer | undefined {
    for (let i = 0; i < this.#peers.length; i++) {
      const peer = this.#peers[i]!;
      if (peer.path !== path || peer.qpn !== qpn) continue;
      if (!this.#closing || peer.sequence === number) return peer;
    }
    const isFull = this.#peers.length >= MAX_PEERS;
    if (this.#closing || isFull) {
      this.#counters.add(this.#closing ? COUNT.dropped_closing : COUNT.dropped_full);
      return undefined;
    }
    const made = new Peer(path, qpn);
    this.#peers.push(made);
    return made;
  }

  /** @returns the status that the requester will see */
  #execute(peer: Peer, packet: Packet): number {
    const { view, at } = packet;
    const kind = opcode.get(view, at);
    const from = offset.get(view, at);
    const length = total.get(view, at);
    const job = jobId.get(view, at);
    peer.length = 0;
    if (from === 0) this.#endReceive(peer, Status.REM_ABORT_ERR);
    const config = findQpn(this.#senders, destQpn.get(view, at))?.config;
    const isForeign = config !== undefined && config.jobId !== 0 && (config.jobId !== job || !this.#jobs.has(job));
    if (config === undefined || isForeign) return Status.REM_INV_RD_REQ_ERR;
    const due = Math.min(this.#mtu, length - from);
    const isWhole = packet.length === HEADER_BYTES + (kind === LoopOpcode.READ ? 0 : due);
    if (from > length || !isWhole) return Status.REM_INV_REQ_ERR;
    this.#counters.add(COUNT.executed_requests);
    if (kind === LoopOpcode.SEND) return this.#send(peer, config.qp, packet, from, length);
    const reach = this.#reach;
    reach.pd = config.pd;
    reach.jobId = job;
    reach.keyLo = key.lo.get(view, at);
    reach.keyHi = key.hi.get(view, at);
    reach.offset = address.num(view, at);
    reach.length = length;
    reach.rights = kind === LoopOpcode.READ ? Access.REMOTE_READ : Access.REMOTE_WRITE;
    if (this.#services.reach(reach) !== AccessFault.NONE) return Status.REM_ACCESS_ERR;
    if (kind === LoopOpcode.READ) {
      peer.region = reach.region;
      peer.offset = reach.regionOffset + from;
      peer.length = due;
      return Status.SUCCESS;
    }
    const placed = this.#services.dma.place(reach.region, reach.regionOffset + from, packet, at + HEADER_BYTES, due);
    if (!placed) return Status.REM_ACCESS_ERR;
    if (from + due === length && hasImm.get(view, at) === 1) {
      this.#completion.wrIdLo = this.#completion.wrIdHi = 0;
      this.#completeReceive(config.qp, CompletionOpcode.RECV_RDMA_WITH_IMM, packet);
    }
    return Status.SUCCESS;
  }

  /** A packet of a SEND: the first one takes a receive, the last one completes it. */
  #send(peer: Peer, qp: number, packet: Packet, from: number, length: number): number {
    const { receive } = peer;
    if (from === 0) {
      if (!this.#services.takeReceive(qp, receive)) return Status.RNR_RETRY_EXC_ERR;
      peer.receiver = qp;
      peer.received = 0;
      if (receive.status !== Status.SUCCESS || length > receive.length) {
        this.#endReceive(peer, receive.status || Status.LOC_LEN_ERR);
        return receive.status === Status.SUCCESS ? Status.REM_INV_REQ_ERR : Status.REM_OP_ERR;
      }
    }
    if (peer.receiver !== qp || peer.received !== from) return Status.REM_ABORT_ERR;
    if (!scatter(this.#services.dma, receive.segments, from, packet, packet.at + HEADER_BYTES)) {
      this.#endReceive(peer, Status.LOC_PROT_ERR);
      return Status.REM_OP_ERR;
    }
    peer.received += packet.length - HEADER_BYTES;
    if (peer.received < length) return Status.SUCCESS;
    peer.receiver = 0;
    this.#completion.wrIdLo = receive.wrIdLo;
    this.#completion.wrIdHi = receive.wrIdHi;
    this.#completeReceive(qp, CompletionOpcode.RECV, packet);
    return Status.SUCCESS;
  }

  #completeReceive(qp: number, kind: number, { view, at, path }: Packet): void {
    const completion = this.#completion;
    completion.status = completion.vendorStatus = Status.SUCCESS;
    completion.opcode = kind;
    completion.byteLength = total.get(view, at);
    completion.hasImm = hasImm.get(view, at) === 1;
    completion.immLo = imm.lo.get(view, at);
    completion.immHi = imm.hi.get(view, at);
    completion.remoteQpn = sourceQpn.get(view, at);
    completion.sourceId = sourceId.get(view, at);
    completion.jobId = jobId.get(view, at);
    completion.path = path;
    this.#services.completeReceive(qp, completion);
  }

  /** A SEND under way will not be finished. */
  #endReceive(peer: Peer, code: number): void {
    if (peer.receiver === 0) return;
    const completion = this.#completion;
    completion.wrIdLo = peer.receive.wrIdLo;
    completion.wrIdHi = peer.receive.wrIdHi;
    completion.status = completion.vendorStatus = code;
    completion.opcode = CompletionOpcode.RECV;
    completion.byteLength = peer.received;
    completion.hasImm = false;
    completion.remoteQpn = peer.qpn;
    completion.path = peer.path;
    this.#services.completeReceive(peer.receiver, completion);
    peer.receiver = 0;
  }
}

const HEADER_BYTES = byteLength(LoopHeader);
/** Silence after which a peer is forgotten: longer than any sender keeps trying one packet. */
const FORGET: Nanos = 2 * SECOND;
/** The same once the engine closes: longer than the pause between two tries. */
const LINGER: Nanos = 100 * MILLISECOND;
