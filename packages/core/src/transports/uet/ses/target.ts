/**
 * The target's half of the semantic sublayer: checks requests in the order of the specification, has their payload
 * placed and completions raised, and says what to answer. What each operation does is in files of their own; what they
 * share is in `inbound-messages.ts`.
 *
 * @spec uet:ses/1.4 uet:ses/3 uet:ses/8
 */
import type { Packet } from '../../../engine/packet.ts';
import { Status } from '../../../engine/status.ts';
import { ReturnCode, SesOpcode, SesResponseOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair, QueuePairs } from '../queue-pairs.ts';
import type { Answer } from './answer.ts';
import { AtomicUnit } from './atomic-unit.ts';
import { Deferrals } from './deferrals.ts';
import type { InboundMessage } from './inbound-message.ts';
import { InboundMessages } from './inbound-messages.ts';
import type { Initiator } from './initiator.ts';
import { isTagged, MatchedSends, type Matching } from './matched-sends.ts';
import { Reads } from './reads.ts';
import { ReceiveCompletions } from './receive-completions.ts';
import { RendezvousReceives } from './rendezvous-receives.ts';
import { RequestChecks } from './request-checks.ts';
import { isAtomic, isDeferrable, isIdempotentSafe, isRendezvous, isSend } from './request-fields.ts';
import { Sends } from './sends.ts';
import { TaggedAtomics } from './tagged-atomics.ts';
import { Writes } from './writes.ts';

export class Target {
  readonly answer: Answer;
  readonly #core: Core;
  readonly #mtu: number;
  readonly #inbound: InboundMessages;
  readonly #checks: RequestChecks;
  readonly #completions: ReceiveCompletions;
  readonly #sends: Sends;
  readonly #matched: MatchedSends;
  readonly #writes: Writes;
  readonly #reads: Reads;
  readonly #atomics: AtomicUnit;
  readonly #taggedAtomics: TaggedAtomics;
  /** Deferrable messages that were put off. */
  readonly deferrals: Deferrals;
  /** Messages that are read from their senders. */
  readonly rendezvous: RendezvousReceives;
  readonly #initiator: Initiator;

  /** @param initiator - asks for messages that were put off, and is asked for its own */
  constructor(core: Core, queuePairs: QueuePairs, initiator: Initiator) {
    this.#core = core;
    this.#mtu = core.config.payloadMtu;
    this.#inbound = new InboundMessages(core, (message, status) => this.#ended(message, status));
    const { request, reach, answer } = this.#inbound;
    this.answer = answer;
    this.#checks = new RequestChecks(core, queuePairs, request, reach, answer);
    this.#completions = new ReceiveCompletions(core);
    this.#sends = new Sends(core, this.#inbound, this.#completions);
    this.#matched = new MatchedSends(core, this.#inbound, this.#completions, this.#sends);
    this.#initiator = initiator;
    const parts = [this.#inbound, this.#matched, this.#sends, this.#completions] as const;
    this.deferrals = new Deferrals(core, queuePairs, ...parts, initiator);
    this.rendezvous = new RendezvousReceives(core, queuePairs, ...parts, initiator);
    this.#matched.takeBack = (qp, idLo, idHi) => this.deferrals.takeBack(qp, idLo, idHi);
    this.#writes = new Writes(core, this.#inbound, this.#completions);
    this.#reads = new Reads(core, this.#inbound);
    this.#atomics = new AtomicUnit(core, this.#inbound);
    this.#taggedAtomics = new TaggedAtomics(core, this.#inbound, this.#completions, this.#matched, this.#atomics);
  }

  /** Incomplete messages. */
  get inboundMessages(): number {
    return this.#inbound.size;
  }

  /**
   * Executes one request packet. Called exactly once for each PSN that PDS accepts; when `answer.nack` is set the
   * PSN is refused and the packet will come again.
   * @returns false when the semantic header is cut short
   */
  request(
    context: DeliveryContext,
    packet: Packet,
    psn: number,
    at: number,
    room: number,
    nextHeader: number,
  ): boolean {
    const inbound = this.#inbound;
    const { request } = inbound;
    if (!request.decode(packet.view, at, room, nextHeader, this.#mtu)) return false;
    inbound.begin(context);
    const payload = room - request.headerBytes;
    const payloadAt = at + request.headerBytes;
    if (request.opcode === SesOpcode.MSG_ERROR) {
      this.#abort(context);
      return true;
    }
    if (request.opcode === SesOpcode.NO_OP) return true;
    if (request.opcode === SesOpcode.DEFERRABLE_RTR) {
      this.#called(context);
      return true;
    }
    if (request.isEarlyEnd) {
      this.#endEarly(context);
      return true;
    }
    const known = inbound.known(context);
    if (known !== undefined) this.#continue(context, known, packet, payloadAt, payload);
    else this.#begin(context, packet, psn, payloadAt, payload);
    return true;
  }

  /**
   * Executes one idempotent packet: each copy is judged and executed alone, and nothing is remembered.
   * @returns false when the semantic header is cut short
   */
  idempotent(packet: Packet, at: number, room: number, nextHeader: number): boolean {
    const { request, reach, answer } = this.#inbound;
    if (!request.decode(packet.view, at, room, nextHeader, this.#mtu)) return false;
    answer.reset(request.messageId, request.jobId);
    answer.opcode = SesResponseOpcode.RESPONSE;
    const payload = room - request.headerBytes;
    const isRead = request.opcode === SesOpcode.READ;
    const isIdempotent =
      (isRead && this.#core.settings.rudiReads === 1) || (request.opcode === SesOpcode.WRITE && !request.hd);
    answer.code = isIdempotent ? this.#checks.check(packet.path, payload) || ReturnCode.OK : ReturnCode.UNSUPPORTED_OP;
    if (answer.code === ReturnCode.OK && !isIdempotentSafe(request.keyHi) && this.#core.settings.rudiAnyRegion === 0) {
      answer.code = ReturnCode.OP_VIOLATION; // row 20
      this.#core.count(EVENT.unsafe_requests);
    }
    if (answer.code !== ReturnCode.OK) {
      this.#core.count(EVENT.refused_requests);
      return true;
    }
    const { dma } = this.#core.services;
    const { region, regionOffset } = reach;
    if (!isRead) {
      if (!dma.place(region, regionOffset + request.at, packet, at + request.headerBytes, payload)) {
        answer.code = ReturnCode.UNCOR; // memory of a process that is gone
      }
      answer.modifiedLength = payload;
      return true;
    }
    if (request.length === 0) return true;
    answer.withData = true;
    answer.small = request.small;
    answer.modifiedLength = request.length;
    answer.dataRegion = region;
    answer.dataOffset = regionOffset + request.at;
    answer.dataLength = request.piece;
    answer.messageOffset = request.at;
    return true;
  }

  /** A context goes away: its incomplete messages end in error. */
  contextClosed(context: DeliveryContext): void {
    for (let one = context.inbound; one !== undefined; ) {
      const next = one.next;
      this.#inbound.fail(one, Status.REM_ABORT_ERR);
      this.#inbound.release(context, one);
      one = next;
    }
    context.inbound = undefined;
    context.returns?.clear();
    this.#atomics.contextClosed(context);
  }

  /** What slot `i` of the return direction carried has arrived. */
  returned(context: DeliveryContext, i: number): void {
    const { region, offset, exposure, length } = context.returns!.slots;
    if (exposure[i]! > 0) return this.#initiator.rendezvous.served(exposure[i]!, length[i]!);
    this.#atomics.returned(region[i]!, offset[i]!);
  }

  /** Results of atomics on their way back. */
  get keptResults(): number {
    return this.#atomics.kept;
  }

  /** Messages that no receive has taken yet, and bytes of them. */
  get unexpected(): { readonly messages: number; readonly bytes: number } {
    return this.#matched.kept;
  }

  /** What a queue pair needs to match. */
  matching(): Matching {
    return this.#matched.matching();
  }

  /** Nothing arrives any more. */
  end(): void {
    this.#matched.end();
    this.#atomics.end();
  }

  /** A queue pair goes away: its messages in arrival are refused from now on. */
  queuePairRemoved(contexts: Iterable<DeliveryContext>, qp: LocalQueuePair): void {
    const { qp: handle } = qp.config;
    for (const context of contexts) {
      for (let one = context.inbound; one !== undefined; one = one.next) {
        if (one.qp !== handle) continue;
        this.#inbound.fail(one, Status.WR_FLUSH_ERR);
        one.qp = 0;
        if (one.failed === 0) one.failed = ReturnCode.DISABLED;
      }
    }
    if (qp.matching !== undefined) {
      this.#matched.removed(qp);
      this.deferrals.queuePairRemoved(qp);
    } else this.#sends.removed(qp);
    this.rendezvous.queuePairRemoved(qp);
  }

  /** Receives were posted. */
  receivesPosted(qp: LocalQueuePair): void {
    if (qp.matching !== undefined) this.#matched.receivesPosted(qp);
    else this.#sends.receivesPosted(qp);
  }

  /** A message fails: what of it the program is told. */
  #ended(message: InboundMessage, status: number): void {
    if (!isSend(message.opcode)) return;
    if (message.matching !== undefined) this.#matched.ended(message, status);
    else this.#completions.end(message.qp, message.receive, status, 0, message);
  }

  /** First packet of a message that is not under way. */
  #begin(context: DeliveryContext, packet: Packet, psn: number, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { request } = inbound;
    if (request.opcode === SesOpcode.READ && this.#initiator.rendezvous.mayBe(request)) {
      const exposure = this.#exposure(context, payload);
      if (exposure > 0) return this.#reads.execute(context, psn, exposure);
    }
    const code = this.#checks.check(context.path, payload);
    if (code !== 0) {
      // the packets of a READ change nothing here: each is judged alone
      inbound.refuse(context, code, request.single || request.opcode === SesOpcode.READ);
      return;
    }
    if (request.opcode === SesOpcode.READ) return this.#reads.execute(context, psn);
    const qp = this.#checks.qp!;
    if (isAtomic(request.opcode)) {
      if (isTagged(request.opcode)) this.#taggedAtomics.execute(context, qp, packet, psn, at);
      else this.#atomics.execute(context, packet, psn, at);
      return;
    }
    if (request.opcode === SesOpcode.WRITE) return this.#writes.begin(context, qp, packet, at, payload);
    if (isRendezvous(request.opcode)) return this.rendezvous.begin(context, qp, packet, at, payload);
    if (qp.matching !== undefined && isDeferrable(request.opcode))
      return this.deferrals.begin(context, qp, packet, at, payload);
    if (qp.matching !== undefined) return this.#matched.begin(context, qp, packet, at, payload);
    this.#sends.begin(context, qp, packet, at, payload);
  }

  /** A further packet of a message under way. */
  #continue(context: DeliveryContext, message: InboundMessage, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { request } = inbound;
    if (message.failed !== 0) return inbound.refuseAgain(context, message);
    if (message.isPutOff) return this.deferrals.continue(context, message);
    if (request.ver !== 0) return inbound.breakOff(context, message, ReturnCode.UNCOR);
    if (request.opcode !== message.opcode || request.length !== message.total)
      return inbound.breakOff(context, message, ReturnCode.OP_VIOLATION);
    if (request.keyLo !== message.keyLo || request.keyHi !== message.keyHi)
      return inbound.breakOff(context, message, ReturnCode.PERM_VIOLATION);
    if (request.jobId !== message.jobId || request.resource !== message.resource || request.pid !== message.pid)
      return inbound.breakOff(context, message, ReturnCode.PERM_VIOLATION);
    if (isSend(message.opcode)) {
      if (request.ie) return inbound.breakOff(context, message, ReturnCode.INITIATOR_ERROR);
      if (!this.#checks.fits(request.length, request.at, request.piece, payload))
        return inbound.breakOff(context, message, ReturnCode.OP_VIOLATION);
      if (message.unexpected >= 0 || message.discarded) this.#matched.place(context, message, packet, at, payload);
      else this.#sends.place(context, message, packet, at, payload);
      return;
    }
    // the region may have gone since the first packet
    const code = this.#checks.check(context.path, payload);
    if (code !== 0) return inbound.breakOff(context, message, code);
    this.#writes.place(context, message, packet, at, payload);
  }

  /** The memory of a message of ours that a READ asks for, where its packet is as it must be. */
  #exposure(context: DeliveryContext, payload: number): number {
    const { request, reach } = this.#inbound;
    const isSound = request.ver === 0 && payload === 0;
    if (!isSound || !this.#checks.fits(request.length, request.at, request.piece, 0)) return 0;
    return this.#initiator.rendezvous.reach(context.path, request, reach);
  }

  /** DEFERRABLE_RTR: a peer has a receive for a message of ours. @spec uet:ses/3.5 */
  #called(context: DeliveryContext): void {
    const inbound = this.#inbound;
    const { request } = inbound;
    if (!inbound.keeps()) return;
    const isKnownForm = request.ver === 0 && !request.small;
    const code = isKnownForm
      ? this.#initiator.deferred.called(context.path, request.keyHi, request.keyLo)
      : request.small
        ? ReturnCode.UNSUPPORTED_OP
        : ReturnCode.UNCOR;
    if (code !== ReturnCode.OK) inbound.refuse(context, code, true);
  }

  /** The initiator has heard that its message was put off. */
  #endEarly(context: DeliveryContext): void {
    const message = this.#inbound.find(context, this.#inbound.request.messageId);
    if (message === undefined) return;
    if (message.isPutOff) this.deferrals.ended(context, message);
    else this.#abort(context);
  }

  /** MSG_ERROR: the initiator ends a message early. */
  #abort(context: DeliveryContext): void {
    const inbound = this.#inbound;
    const { request } = inbound;
    // it says how much was sent: packets that it has overtaken belong to this message and not to a new one
    let message = inbound.find(context, request.messageId);
    if (message === undefined) {
      if (request.at === 0) return;
      message = inbound.open(context, undefined);
      if (message === undefined) return;
    }
    if (message.isPutOff) this.deferrals.aborted(context.path, message.token);
    if (message.failed === 0) {
      inbound.fail(message, Status.REM_ABORT_ERR);
      message.failed = ReturnCode.CANCELLED;
    }
    message.total = Math.min(message.total, request.at);
    if (message.complete) inbound.remove(context, message);
  }
}
