/**
 * The loop engine. A request carries one MTU of a message at most (a READ asks for so much), and the next one goes out
 * when it was answered. What is not answered in time is sent again; the peer executes each number once:
 *
 *   SEND 7 ──────────►  execute, remember 7
 *   (lost)  ◄────────── ANSWER 7
 *   SEND 7 ──────────►  7 again: only answer
 *   done    ◄────────── ANSWER 7
 *
 * Numbers grow over all queue pairs of an engine, so there are no connections: a newer number is new, an equal one
 * repeated, an older one late. A peer is forgotten after more silence than there is between two tries of a sender.
 */
import type { Engine, EngineConfig, QueuePairConfig, Services } from '../../engine/engine.ts';
import type { Packet } from '../../engine/packet.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { MAX_INLINE } from '../../engine/work.ts';
import { byteLength } from '../../wire/header.ts';
import { LoopHeader, LoopOpcode } from '../../wire/loop/loop.ts';
import { MAX_SENDERS } from './attributes.ts';
import { COUNT, createCounters } from './drops.ts';
import { findQpn, Sender } from './records.ts';
import { Requester } from './requester.ts';
import { Responder } from './responder.ts';

export class LoopEngine implements Engine {
  readonly counters = createCounters();
  readonly #senders: Sender[] = [];
  readonly #jobs = new Map<number, number>();
  readonly #requester: Requester;
  readonly #responder: Responder;
  readonly #inlineRegion: number;
  readonly #inlineUsed = new Uint8Array(MAX_SENDERS);

  constructor(services: Services, config: EngineConfig) {
    this.#requester = new Requester(services, config, this.counters, this.#senders);
    this.#responder = new Responder(services, config, this.counters, this.#senders, this.#jobs);
    this.#inlineRegion = services.dma.attach({ bytes: new Uint8Array(MAX_SENDERS * MAX_INLINE), address: 0 });
  }

  receive(now: Nanos, packet: Packet): void {
    this.counters.add(COUNT.received_packets);
    if (packet.trimmed) return this.counters.add(COUNT.dropped_trimmed);
    if (packet.length < HEADER_BYTES) return this.counters.add(COUNT.dropped_short);
    const kind = LoopHeader.opcode.get(packet.view, packet.at);
    if (kind === LoopOpcode.ANSWER) return this.#requester.answered(now, packet);
    if (kind < LoopOpcode.SEND || kind > LoopOpcode.ANSWER) return this.counters.add(COUNT.dropped_opcode);
    this.#responder.requested(now, packet);
  }

  doorbell(_now: Nanos, qp: number): void {
    const sender = this.#senders.find((one) => one.config.qp === qp);
    if (sender !== undefined && !sender.busy) this.#requester.takeWork(sender);
  }

  expire(now: Nanos): void {
    this.#requester.expire(now);
    this.#responder.expire(now);
  }

  transmit(now: Nanos, out: Packet): boolean {
    if (!this.#responder.transmit(out) && !this.#requester.transmit(now, out)) return false;
    this.counters.add(COUNT.sent_packets);
    return true;
  }

  deadline(): Nanos {
    return Math.min(this.#requester.deadline(), this.#responder.deadline());
  }

  addQueuePair(_now: Nanos, config: QueuePairConfig): string {
    const place = this.#inlineUsed.indexOf(0);
    if (place < 0) return `there are ${MAX_SENDERS} queue pairs already`;
    if (findQpn(this.#senders, config.qpn) !== undefined) return `queue pair number ${config.qpn} is taken`;
    this.#inlineUsed[place] = 1;
    const sender = new Sender(config);
    sender.work.inlineRegion = this.#inlineRegion;
    sender.work.inlineOffset = place * MAX_INLINE;
    this.#senders.push(sender);
    return '';
  }

  removeQueuePair(_now: Nanos, qp: number): void {
    const index = this.#senders.findIndex((one) => one.config.qp === qp);
    const [sender] = index < 0 ? [] : this.#senders.splice(index, 1);
    if (sender === undefined) return;
    this.#inlineUsed[sender.work.inlineOffset / MAX_INLINE] = 0;
    this.#requester.flush(sender);
    this.#responder.queuePairRemoved(qp);
  }

  addJob(jobId: number): void {
    this.#jobs.set(jobId, (this.#jobs.get(jobId) ?? 0) + 1);
  }

  removeJob(jobId: number): void {
    const left = (this.#jobs.get(jobId) ?? 1) - 1;
    if (left > 0) this.#jobs.set(jobId, left);
    else this.#jobs.delete(jobId);
  }

  close(now: Nanos): void {
    this.#responder.close(now);
  }

  quiet(): boolean {
    return this.deadline() === NEVER && this.#requester.busy === 0;
  }

  census(): Record<string, number> {
    return { messages: this.#requester.busy, peers: this.#responder.peers, queue_pairs: this.#senders.length };
  }
}

const HEADER_BYTES = byteLength(LoopHeader);
