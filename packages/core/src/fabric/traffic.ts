/** The data path of an endpoint: posts operations, remembers what the program gave along, and turns completions round. */
import { CompletionFlag } from '../abi/entries.ts';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { GRH_BYTES } from '../engine/engine.ts';
import { CompletionOpcode, Status } from '../engine/status.ts';
import type { CompletionBatch } from '../verbs/completion-batch.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import type { AddressVector, Peer } from './address-vector.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { Counter } from './counter.ts';
import type { ErrorMap } from './errors.ts';
import { OperationFlag } from './flags.ts';
import type { FabricInfo } from './info.ts';
import { OperationTable } from './operation-table.ts';
import type { Sink } from './pump.ts';
import type { ReceiveTemplate, SendTemplate } from './templates.ts';

/** What an endpoint was bound to and made of. */
export interface TrafficParts {
  readonly info: FabricInfo;
  readonly qp: QueuePair;
  /** For accesses that may be repeated. */
  readonly idempotentQp: QueuePair | undefined;
  readonly vector: AddressVector;
  readonly transmitQueue: CompletionQueue | undefined;
  readonly receiveQueue: CompletionQueue | undefined;
  readonly sendCounter: Counter | undefined;
  readonly receiveCounter: Counter | undefined;
  readonly readCounter: Counter | undefined;
  readonly writeCounter: Counter | undefined;
  readonly errors: ErrorMap;
  /** Upper word of the ids of requests. */
  readonly index: number;
  /** In errors. */
  readonly name: string;
}

export class Traffic implements Sink {
  readonly parts: TrafficParts;
  readonly sends: OperationTable;
  readonly receives: OperationTable;
  readonly #base: number;
  readonly #isDatagram: boolean;
  readonly #takesNotices: boolean;
  readonly #wantsSource: boolean;
  /** Messages that are reserved, by the context of who looked. */
  readonly #claims = new Map<unknown, number>();

  constructor(parts: TrafficParts) {
    const { info, index } = parts;
    this.parts = parts;
    this.sends = new OperationTable(info.transmit.size);
    this.receives = new OperationTable(info.receive.size);
    this.#base = index * 0x1_0000_0000;
    this.#isDatagram = info.endpoint.type === 'dgram';
    this.#takesNotices = info.modes.includes('rx-cq-data');
    this.#wantsSource = info.caps.source || this.#isDatagram;
  }

  /** Operations that can be posted now, when they complete visibly. */
  get transmitSpace(): number {
    const { qp, transmitQueue } = this.parts;
    return Math.min(qp.sendSpace, this.sends.room, transmitQueue?.room ?? this.sends.room);
  }

  get receiveSpace(): number {
    const { qp, receiveQueue } = this.parts;
    return Math.min(qp.receiveSpace, this.receives.room, receiveQueue?.room ?? this.receives.room);
  }

  /**
   * Posts a filled request.
   *
   * @param flags - bits of `OperationFlag`
   * @param wanted - it is to complete visibly
   * @param mayRepeat - it may be executed more than once
   * @throws VerbsError `EAGAIN` no room · `EINVAL` no such peer, or a wrong request · `EMSGSIZE` · `EOPNOTSUPP`
   */
  transmit(
    call: string,
    template: SendTemplate,
    to: number,
    context: unknown,
    flags: number,
    wanted: boolean,
    mayRepeat = false,
  ): void {
    const { vector, transmitQueue, qp, idempotentQp, info } = this.parts;
    const peer = vector.peer(to);
    if (peer === undefined) throw vector.unknown(call, to);
    if (template.bytes > info.endpoint.maxMessageBytes) throw this.#tooLong(call, template.bytes);
    if (peer.singlePacket) this.#checkPacket(call, template.bytes, flags);
    if ((flags & LIMITED) !== 0) this.#checkAbilities(call, peer, flags);
    template.to = peer.handle;
    template.jobKey = peer.jobKey;
    const queue = wanted ? transmitQueue : undefined;
    if (queue !== undefined && !queue.reserve()) throw this.#again(call, 'completion queue', queue.size);
    const slot = this.sends.take(context, flags, queue !== undefined);
    if (slot < 0) {
      queue?.unreserve();
      throw this.#again(call, 'transmit queue', this.sends.capacity);
    }
    template.id = this.#base + slot;
    const which = mayRepeat && idempotentQp !== undefined && peer.takesRepeats ? idempotentQp : qp;
    let fault: unknown;
    try {
      if (which.tryPost(template.request)) return;
    } catch (thrown) {
      fault = thrown;
    }
    this.sends.give(slot);
    queue?.unreserve();
    throw fault === undefined ? this.#again(call, 'transmit queue', this.sends.capacity) : this.#explained(call, fault);
  }

  /** Posts a filled receive. @throws VerbsError as {@link transmit} */
  receive(call: string, template: ReceiveTemplate, context: unknown, flags: number, wanted: boolean): void {
    const queue = wanted ? this.parts.receiveQueue : undefined;
    if (queue !== undefined && !queue.reserve()) throw this.#again(call, 'completion queue', queue.size);
    const slot = this.receives.take(context, flags, queue !== undefined);
    if (slot < 0) {
      queue?.unreserve();
      throw this.#again(call, 'receive queue', this.receives.capacity);
    }
    this.#postReceive(call, template, slot, queue);
  }

  /** Posts a receive for the message that a look reserved. @throws VerbsError EINVAL nothing is reserved for the context */
  claimed(call: string, template: ReceiveTemplate, context: unknown, flags: number, wanted: boolean): void {
    const slot = this.#claims.get(context);
    if (slot === undefined) {
      throw this.#refusal(
        call,
        'no message is reserved for this context',
        'a peek with `claim` that succeeded, and the same context',
      );
    }
    const queue = wanted ? this.parts.receiveQueue : undefined;
    if (queue !== undefined && !queue.reserve()) throw this.#again(call, 'completion queue', queue.size);
    this.receives.flags[slot] = flags;
    this.receives.wanted[slot] = queue === undefined ? 0 : 1;
    this.#claims.delete(context);
    try {
      this.#postReceive(call, template, slot, queue, false);
    } catch (thrown) {
      this.#claims.set(context, slot);
      throw thrown;
    }
  }

  /** Calls a receive back. @returns false when none has this context */
  cancel(template: ReceiveTemplate, context: unknown): boolean {
    const slot = this.receives.find(context);
    if (slot < 0) return false;
    template.id = this.#base + (RECEIVE_BIT | slot);
    template.tag = (this.receives.flags[slot]! & OperationFlag.TAGGED) !== 0 ? 0 : undefined;
    if (!this.parts.qp.tryPostReceive(template.request)) {
      throw this.#again('cancel', 'receive queue', this.receives.capacity);
    }
    return true;
  }

  /** Who is meant by a number, as receives say it. @throws VerbsError EINVAL nobody has it */
  direct(call: string, template: ReceiveTemplate, source: number): void {
    template.sourceId = template.from = template.jobId = undefined;
    if (source < 0) return;
    const { vector, info } = this.parts;
    if (!info.caps.directedReceive) {
      throw this.#refusal(call, 'receives of this endpoint take from everybody', 'hints with caps.directedReceive');
    }
    const peer: Peer | undefined = vector.peer(source);
    if (peer !== undefined) {
      template.sourceId = peer.initiator;
      template.from = peer.handle;
      return;
    }
    const job = vector.job(source);
    if (job === undefined) throw vector.unknown(call, source);
    if (job.id === 0) {
      throw this.#refusal(call, 'the number of that job is not known here', 'an authorisation key of 4 bytes');
    }
    template.jobId = job.id;
  }

  completed(batch: CompletionBatch, row: number): void {
    if (batch.opcode[row]! < CompletionOpcode.RECV) this.#sent(batch, row);
    else this.#received(batch, row);
  }

  /** Nothing completes any more: what is promised to operations under way is given back. */
  end(): void {
    const { transmitQueue, receiveQueue } = this.parts;
    giveBack(this.sends, transmitQueue);
    giveBack(this.receives, receiveQueue);
    this.#claims.clear();
  }

  #postReceive(
    call: string,
    template: ReceiveTemplate,
    slot: number,
    queue: CompletionQueue | undefined,
    isNew = true,
  ): void {
    template.id = this.#base + (RECEIVE_BIT | slot);
    let fault: unknown;
    try {
      if (this.parts.qp.tryPostReceive(template.request)) return;
    } catch (thrown) {
      fault = thrown;
    }
    if (isNew) this.receives.give(slot);
    queue?.unreserve();
    throw fault === undefined
      ? this.#again(call, 'receive queue', this.receives.capacity)
      : this.#explained(call, fault);
  }

  #sent(batch: CompletionBatch, row: number): void {
    const slot = batch.idLo[row]!;
    const { sends, parts } = this;
    if (!sends.has(slot)) return;
    const flags = sends.flags[slot]!;
    const context = sends.contexts[slot];
    const wanted = sends.wanted[slot] === 1;
    sends.give(slot);
    const { sendCounter, readCounter, writeCounter, transmitQueue } = parts;
    const isRead = (flags & OperationFlag.READ) !== 0;
    const counter = isRead ? readCounter : (flags & OperationFlag.WRITE) !== 0 ? writeCounter : sendCounter;
    const status = batch.status[row]!;
    if (status === Status.SUCCESS) {
      counter?.count(batch.byteLength[row]!);
      if (wanted) transmitQueue!.add(context, flags, true);
      return;
    }
    counter?.fail();
    if (transmitQueue === undefined) return;
    const at = transmitQueue.add(context, flags, wanted);
    if (at < 0) return;
    const rows = transmitQueue.rows;
    const code = batch.vendorStatus[row]!;
    rows.error[at] = parts.errors.errno(status, code, false);
    rows.providerError[at] = code;
  }

  #received(batch: CompletionBatch, row: number): void {
    const opcode = batch.opcode[row]!;
    if (opcode === CompletionOpcode.CANCEL) return;
    if (opcode === CompletionOpcode.RECV_RDMA_WITH_IMM) {
      this.#written(batch, row);
      return;
    }
    const { receives } = this;
    const slot = batch.idLo[row]! & ~RECEIVE_BIT;
    if (!receives.has(slot)) return;
    let flags = receives.flags[slot]!;
    const context = receives.contexts[slot];
    const wanted = receives.wanted[slot] === 1;
    const isOk = batch.status[row] === Status.SUCCESS;
    if (opcode === CompletionOpcode.PEEK) {
      this.#looked(batch, row, slot, isOk);
      return;
    }
    const isReleased = (batch.flags[row]! & CompletionFlag.RELEASED) !== 0;
    const isMulti = (flags & OperationFlag.MULTI_RECV) !== 0;
    const isLast = !isMulti || isReleased || batch.status[row] === Status.WR_FLUSH_ERR;
    if (!isLast) flags &= ~OperationFlag.MULTI_RECV;
    if (isLast) receives.give(slot);
    const length = this.#length(batch, row);
    if (isOk) this.parts.receiveCounter?.count(length);
    else this.parts.receiveCounter?.fail();
    // of many messages in one receive, room is promised to the last
    const isReserved = wanted && isLast;
    const { receiveQueue } = this.parts;
    if (receiveQueue === undefined || (isOk && !wanted)) return;
    this.#report(receiveQueue, batch, row, context, flags, isReserved, length);
  }

  /** A peer wrote, and sent data with it. */
  #written(batch: CompletionBatch, row: number): void {
    const { receives, parts } = this;
    const { receiveQueue } = parts;
    let context: unknown;
    let isReserved = false;
    if (this.#takesNotices) {
      const slot = batch.idLo[row]! & ~RECEIVE_BIT;
      context = receives.contexts[slot];
      isReserved = receives.wanted[slot] === 1;
      receives.give(slot);
    }
    if (receiveQueue === undefined) return;
    const flags = OperationFlag.RMA | OperationFlag.REMOTE_WRITE;
    this.#report(receiveQueue, batch, row, context, flags, isReserved, batch.byteLength[row]!);
  }

  /** A look at what waits. */
  #looked(batch: CompletionBatch, row: number, slot: number, isOk: boolean): void {
    const { receives } = this;
    const flags = receives.flags[slot]!;
    const context = receives.contexts[slot];
    const wanted = receives.wanted[slot] === 1;
    const isClaim = (flags & CLAIM_BIT) !== 0;
    if (isOk && isClaim) {
      // the number stays with the message until it is taken
      receives.wanted[slot] = 0;
      this.#claims.set(context, slot);
    } else receives.give(slot);
    const { receiveQueue } = this.parts;
    if (receiveQueue === undefined) return;
    const shown = flags & ~CLAIM_BIT;
    this.#report(receiveQueue, batch, row, context, shown, wanted, batch.byteLength[row]!);
  }

  #report(
    queue: CompletionQueue,
    batch: CompletionBatch,
    row: number,
    context: unknown,
    flags: number,
    isReserved: boolean,
    length: number,
  ): void {
    const hasData = batch.hasImm[row] === 1;
    const at = queue.add(context, hasData ? flags | OperationFlag.REMOTE_CQ_DATA : flags, isReserved);
    if (at < 0) return;
    const rows = queue.rows;
    const status = batch.status[row]!;
    rows.tagLo[at] = batch.tagLo[row]!;
    rows.tagHi[at] = batch.tagHi[row]!;
    if (status === Status.SUCCESS || status === Status.LOC_LEN_ERR) {
      rows.length[at] = length;
      if (hasData) {
        rows.dataLo[at] = batch.immLo[row]!;
        rows.dataHi[at] = batch.immHi[row]!;
      }
      if (this.#wantsSource) {
        const identity = this.#isDatagram ? batch.remoteQpn[row]! : batch.sourceId[row]!;
        rows.source[at] = this.parts.vector.source(batch.path[row]!, identity);
      }
    }
    if (status === Status.SUCCESS) {
      rows.offset[at] = batch.extra[row]!;
      return;
    }
    const code = batch.vendorStatus[row]!;
    rows.error[at] = this.parts.errors.errno(status, code, true);
    rows.providerError[at] = code;
    if (status === Status.LOC_LEN_ERR) rows.overflow[at] = batch.extra[row]!;
  }

  #length(batch: CompletionBatch, row: number): number {
    const length = batch.byteLength[row]!;
    return (batch.flags[row]! & CompletionFlag.GRH) === 0 ? length : Math.max(0, length - GRH_BYTES);
  }

  #checkPacket(call: string, bytes: number, flags: number): void {
    const { mtu } = this.parts.info.endpoint;
    if (bytes <= mtu || (flags & OperationFlag.SEND) === 0) return;
    throw this.#refusal(call, `the peer takes messages of one packet, ${mtu} bytes`, 'a remote write', 'EMSGSIZE');
  }

  #checkAbilities(call: string, { takesTags, takesAtomics }: Peer, flags: number): void {
    if ((flags & OperationFlag.TAGGED) !== 0 ? takesTags : takesAtomics) return;
    const what = (flags & OperationFlag.TAGGED) !== 0 ? 'messages with tags' : 'atomics';
    throw this.#refusal(call, `the peer takes no ${what}, as its address says`, 'hints at the peer', 'EOPNOTSUPP');
  }

  #tooLong(call: string, bytes: number): VerbsError {
    const { maxMessageBytes } = this.parts.info.endpoint;
    return this.#refusal(
      call,
      `${bytes} bytes are more than a message can have`,
      `up to ${maxMessageBytes}`,
      'EMSGSIZE',
    );
  }

  #again(call: string, what: string, size: number): VerbsError {
    return this.#refusal(call, `the ${what} of ${size} is full`, 'take completions first, or a larger one', 'EAGAIN');
  }

  /** What the queue pair said, about the endpoint. */
  #explained(call: string, thrown: unknown): unknown {
    if (!isVerbsError(thrown)) return thrown;
    const at = thrown.message.indexOf(': ');
    return this.#refusal(call, thrown.message.slice(at + 2), thrown.facts.try ?? 'see the documentation', thrown.code);
  }

  #refusal(call: string, problem: string, advice: string, code: VerbsError['code'] = 'EINVAL'): VerbsError {
    return new VerbsError(code, call, problem, { object: this.parts.name, try: advice, see: 'docs/fabric.md' });
  }
}

function giveBack(table: OperationTable, queue: CompletionQueue | undefined): void {
  for (let slot = 0; slot < table.capacity; slot++) {
    if (!table.has(slot)) continue;
    if (table.wanted[slot] === 1) queue?.unreserve();
    table.give(slot);
  }
}

/** What not every peer takes. */
const LIMITED = OperationFlag.TAGGED | OperationFlag.ATOMIC;
/** In the lower word of the ids of receives. */
const RECEIVE_BIT = 0x4000_0000;
/** Of a look that reserves what it finds; never shown. */
export const CLAIM_BIT = 1 << 30;
