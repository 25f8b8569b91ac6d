/** A queue pair as the engine knows it: what its requester, its responder and its timers remember. */
import { Dcqcn, type DcqcnParameters } from '../../cc/dcqcn.ts';
import type { QueuePairConfig } from '../../engine/engine.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { CompletionRecord, ReceiveWork } from '../../engine/work.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { Reth } from '../../wire/roce/extended.ts';
import { RoceService } from '../../wire/roce/opcodes.ts';
import type { Request } from './request.ts';
import { ReturnQueue } from './return-queue.ts';

const { virtualAddress, rkey, dmaLength } = Reth;

/** What arrives at a responder, between first and last packet of a message. */
export const Inbound = { NONE: 0, SEND: 1, WRITE: 2 } as const;

export class QueuePair {
  /** Number of its timer. */
  readonly slot: number;
  /** One of `RoceService`. */
  readonly service: number;
  readonly requester: RequesterState;
  readonly responder: ResponderState;
  config: QueuePairConfig;
  /** Payload bytes of a full packet. */
  mtu: number;
  /** The number that packets for it name. */
  readonly qpn: number;
  peerPath: number;
  /** The number that its packets name; 24 bits. */
  peerQpn: number;
  /** Route of its packets: always the same, so that they stay in order. */
  entropy = 0;
  /** It waits for its turn to send, between these two. */
  isReady = false;
  nextReady: QueuePair | undefined = undefined;
  lastReady: QueuePair | undefined = undefined;
  /** What it owes its peer comes before what it wants; changes from turn to turn. */
  returnsFirst = true;
  /** Further congestion notifications count for nothing before. */
  markedUntil: Nanos = 0;
  /** No congestion notification leaves before. */
  cnpAfter: Nanos = 0;

  constructor(slot: number, config: QueuePairConfig, mtu: number, dcqcn: DcqcnParameters, windowPackets: number) {
    this.slot = slot;
    this.service = SERVICES[config.type]!;
    this.config = config;
    this.mtu = mtu;
    this.qpn = config.qpn & 0xff_ffff;
    this.peerPath = config.peerPath ?? 0;
    this.peerQpn = (config.peerQpn ?? 0) & 0xff_ffff;
    this.requester = new RequesterState(config, new Dcqcn(dcqcn, windowPackets));
    this.responder = new ResponderState(config);
  }

  /** Its attributes changed. */
  modify(config: QueuePairConfig, mtu: number): void {
    this.config = config;
    this.mtu = mtu;
    this.peerPath = config.peerPath ?? 0;
    this.peerQpn = (config.peerQpn ?? 0) & 0xff_ffff;
    this.requester.modify(config);
    this.responder.modify(config);
  }
}

/**
 * The sending half. Serials are PSNs that do not wrap.
 *
 *      head                     current
 *   ┌───┴────┐┌────────┐┌────────┐ ...      requests in the order of posting
 *   ......|===|========|====|.............
 *        base              cursor  top      base: oldest without an answer; cursor: next to leave; top: beyond all that ever left
 */
export class RequesterState {
  readonly cc: Dcqcn;
  head: Request | undefined = undefined;
  tail: Request | undefined = undefined;
  /** The request whose packet is next to leave; undefined: a new one must be taken. */
  current: Request | undefined = undefined;
  base: number;
  cursor: number;
  top: number;
  /** Requests taken and not completed. */
  requests = 0;
  /** READs and atomics on their way, counted by packets that ask. */
  reads = 0;
  /** READs and atomics that are not completed. */
  openReads = 0;
  /** Packets sent since an acknowledgement was asked for. */
  silent = 0;
  retriesLeft: number;
  rnrRetriesLeft: number;
  /** Went back to `base`, and nothing has come of it yet. */
  isRecovering = false;
  /** Took its first request: PSNs go on from where they are. */
  hasSent = false;
  /** A request failed: nothing leaves any more. */
  hasFailed = false;
  /** The last request taken is locally wrong: nothing behind it may leave. */
  isBlocked = false;
  /** When the peer is given up for dead or sent to again. */
  retryDue: Nanos = NEVER;
  /** The peer had no receive: nothing leaves before; 0 while there is no wait. */
  rnrUntil: Nanos = 0;
  /** Pacing: when what was sent so far is used up. */
  paidUntil: Nanos = 0;

  constructor(config: QueuePairConfig, cc: Dcqcn) {
    this.cc = cc;
    this.base = this.cursor = this.top = config.attributes.sqPsn & 0xff_ffff;
    this.retriesLeft = config.attributes.retryCount;
    this.rnrRetriesLeft = config.attributes.rnrRetry;
  }

  modify({ attributes }: QueuePairConfig): void {
    this.retriesLeft = attributes.retryCount;
    this.rnrRetriesLeft = attributes.rnrRetry;
    // the first PSN is told on the way to RTS, after the queue pair came here to receive
    if (!this.hasSent) this.base = this.cursor = this.top = attributes.sqPsn & 0xff_ffff;
  }
}

/** The receiving half. */
export class ResponderState {
  /** The next PSN. */
  expected: number;
  /** Messages done, modulo 2^24. */
  msn = 0;
  /** Got its first packet. */
  hasReceived = false;
  /** Was told that a request is missing, or to try later: silent until it comes. */
  isNaked = false;
  /** PSN of the packet that told it. */
  nakedBy = 0;
  /** A request was refused for good. */
  hasFailed = false;
  /** One of `Inbound`: the message under way. */
  inbound = 0;
  /** Bytes of it that have arrived, and of a WRITE all that will. */
  arrived = 0;
  total = 0;
  /** WRITE: where it goes. */
  key = 0;
  offset = 0;
  readonly receive = new ReceiveWork();
  /** The receive was taken and is not completed. */
  hasReceive = false;
  readonly completion = new CompletionRecord();
  readonly returns: ReturnQueue;
  /** Results of the last atomics, in a ring: PSN (-1: none) and the two halves of what was there before. */
  readonly atomics: Int32Array;
  atomicsDone = 0;

  constructor({ type, attributes }: QueuePairConfig) {
    this.expected = attributes.rqPsn & 0xff_ffff;
    const isReliable = type === 'RC';
    this.returns = new ReturnQueue(
      isReliable ? RETURNS_PER_READ * Math.max(1, attributes.maxDestRdAtomic) + SPARE_RETURNS : 0,
    );
    this.atomics = new Int32Array(isReliable ? ATOMIC_WORDS * Math.max(1, attributes.maxDestRdAtomic) : 0).fill(-1);
  }

  /** The first packet of a WRITE, at `at`, says what and where. */
  beginWrite(view: DataView, at: number): void {
    this.total = dmaLength.get(view, at + BTH_BYTES);
    this.key = rkey.get(view, at + BTH_BYTES);
    this.offset = virtualAddress.num(view, at + BTH_BYTES);
    this.arrived = 0;
  }

  modify({ attributes }: QueuePairConfig): void {
    // until the first packet the PSN may still be told
    if (!this.hasReceived) this.expected = attributes.rqPsn & 0xff_ffff;
  }
}

/** Words of an entry of `ResponderState.atomics`. */
export const ATOMIC_WORDS = 3;
/** Room in the queue of returns: a READ or atomic, an acknowledgement in front, and the same again for repetitions. */
const RETURNS_PER_READ = 4;
const SPARE_RETURNS = 8;

const SERVICES: Readonly<Record<string, number>> = {
  RC: RoceService.RC,
  UC: RoceService.UC,
  UD: RoceService.UD,
  GSI: RoceService.UD,
};
