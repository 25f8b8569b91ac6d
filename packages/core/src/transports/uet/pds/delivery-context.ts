/** A packet delivery context (PDC): the dynamic connection between two fabric endpoints. @spec uet:pds/3 */
import type { Controller } from '../../../cc/controller.ts';
import { ReceiverCredit } from '../../../cc/receiver-credit.ts';
import { Window } from '../../../cc/window.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import type { InboundMessage } from '../ses/inbound-message.ts';
import { PeerShare } from './peer-share.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { ReturnQueue } from './return-queue.ts';
import { SendWindow } from './send-window.ts';
import { PdcState } from './states.ts';

export class DeliveryContext {
  /** Place in the table, and id of its deadline. */
  readonly slot: number;
  readonly tx: SendWindow;
  readonly rx: ReceiveWindow;
  readonly cc: Controller;
  /** What this destination grants the peer. */
  readonly credit: ReceiverCredit;
  localId = 0;
  /** The peer's PDCID; 0 while unknown. */
  remoteId = 0;
  path = 0;
  ordered = false;
  /** This endpoint opened the context. */
  initiator = false;
  /** What all contexts of the peer use together. */
  peer = new PeerShare();
  /** The peer is known to hear this endpoint. An initiator trusts its program with that. */
  proven = true;
  /** Features that the peer offered in a Negotiation. */
  peerFeatures = 0;
  /** Nothing else leaves before the peer has answered the Negotiation that opens the context. */
  negotiating = false;
  /** Job of an initiator's context; a target's context serves any. */
  jobId = 0;
  state: number = PdcState.CLOSED;

  // messages of the initiator, as a list through the message table
  queueHead = -1;
  queueTail = -1;
  /** The message whose packets are being sent. */
  current = -1;
  /** Messages started and not finished. */
  openMessages = 0;
  /** Messages that wait for another try. */
  retryHead = -1;
  retryAt: Nanos = NEVER;
  /** No new message starts: an ordered stream waits for refused messages to be sent again in order. */
  stalled = false;
  /** Read packets asked for and not yet here. */
  readsInFlight = 0;
  /** Open reads by message id. */
  readonly reads = new Map<number, number>();
  /** RI generations learnt from the peer: (PIDonFEP << 12 | RI) to generation. */
  readonly generations = new Map<number, number>();

  // messages of the target
  inbound: InboundMessage | undefined = undefined;
  returns: ReturnQueue | undefined = undefined;

  // acknowledgement that is wanted
  ackWanted = false;
  /** In the queue of contexts to acknowledge; outlives the context's use. */
  ackQueued = false;
  ackDue: Nanos = NEVER;
  ackPsn = 0;
  ackRetx = false;
  ackMarked = false;
  ackEntropy = 0;
  ackOpcode = 0;
  ackMessageId = 0;
  ackJobId = 0;
  ackWithResponse = false;
  /** When the packet came that the acknowledgement is for. */
  ackSince: Nanos = 0;
  /** Bytes of new packets, as both ends count them. */
  receivedBytes = 0;
  sentBytes = 0;
  /** What the peer says that it received, bytes, and granted. */
  peerReceived = 0;
  creditSeen = 0;
  /** The answers to packets up to this serial may carry marks that were reacted to. */
  markSerial = 0;
  /** Received bytes since the last acknowledgement. */
  ackBytes = 0;
  /** Where the next SACK bitmap starts, relative to CACK: walks over a window longer than one bitmap. */
  sackStep = 0;
  /** PSN that the last ROD_OOO NACK named as expected, and when it was sent. */
  nackedExpected = -1;
  nackedAt: Nanos = 0;

  /** The peer wants responses cleared up to here; -1 = nothing owed. */
  clearOwed = -1;
  clearDue: Nanos = NEVER;

  /** Last progress of acknowledgements: the retransmission timer counts from here. */
  progressAt: Nanos = 0;
  /** When read data came last. */
  servedAt: Nanos = 0;
  backoff = 0;
  probed = false;
  /** A probe is out, and its answer counts once. */
  probeOpen = false;
  probeSerial = 0;
  /** Probes since the last progress that found something missing. */
  tailLosses = 0;
  /** Losses of packets up to this serial were already answered by congestion control. */
  recoverySerial = 0;
  probeOpaque = 0;
  refusedUntil: Nanos = NEVER;
  /** Smoothed round-trip time, ns; 0 = no sample yet. */
  srtt = 0;
  lastActivity: Nanos = 0;
  closeDue: Nanos = NEVER;
  /** No Close Command before: a late copy of a SYN packet would start the context again. */
  closeAfter: Nanos = 0;
  /** Times that the peer told another first PSN. */
  renumberings = 0;
  /** When to ask again for a sign that the peer hears, and how often that was done. */
  proofDue: Nanos = NEVER;
  proofTries = 0;
  /** The gap that was called a loss last, as the PSN in it; -1 = none. */
  inferredLoss = -1;
  entropy = 0;
  /** In the ring of contexts that may have something to send; outlives the context's use. */
  ready = false;
  /** Ids of messages being sent on this context are drawn from here. */
  nextMessageId = 1;

  constructor(slot: number, sendSlots: number, receiveRange: number) {
    this.slot = slot;
    this.tx = new SendWindow(sendSlots);
    this.rx = new ReceiveWindow(receiveRange);
    this.cc = new Window(sendSlots);
    this.credit = new ReceiverCredit(CREDIT_AHEAD);
  }

  /** Everything as at creation, except the parts that are allocated. */
  open(now: Nanos, initiator: boolean, ordered: boolean, path: number, start: number, range: number): void {
    this.initiator = initiator;
    this.ordered = ordered;
    this.path = path;
    this.remoteId = 0;
    this.jobId = 0;
    this.queueHead = this.queueTail = this.current = this.retryHead = -1;
    this.openMessages = this.readsInFlight = 0;
    this.retryAt = NEVER;
    this.stalled = false;
    this.generations.clear();
    this.reads.clear();
    this.inbound = undefined;
    this.returns?.clear();
    this.ackWanted = this.ackRetx = this.ackMarked = this.ackWithResponse = false;
    this.ackDue = NEVER;
    this.ackBytes = this.sackStep = 0;
    this.nackedExpected = this.inferredLoss = -1;
    this.nackedAt = this.closeAfter = 0;
    this.renumberings = this.proofTries = this.peerFeatures = 0;
    this.negotiating = false;
    this.proofDue = NEVER;
    this.clearOwed = -1;
    this.clearDue = NEVER;
    this.progressAt = this.servedAt = this.lastActivity = now;
    this.backoff = this.srtt = this.entropy = this.recoverySerial = this.tailLosses = 0;
    this.probed = this.probeOpen = false;
    this.refusedUntil = this.closeDue = NEVER;
    this.nextMessageId = 1;
    this.tx.reset(start, range);
    this.rx.reset(start);
    this.ackPsn = this.rx.cack;
    this.cc.reset();
    this.credit.reset();
    this.receivedBytes = this.sentBytes = this.peerReceived = this.creditSeen = this.markSerial = 0;
  }

  /** New messages may start here. */
  get acceptsWork(): boolean {
    return this.state === PdcState.ESTABLISHED || this.state === PdcState.CREATING;
  }

  /** Nothing of this side is under way: no message, no answer, no packet without an acknowledgement. */
  get resting(): boolean {
    return (
      this.tx.outstanding === 0 &&
      this.queueHead < 0 &&
      this.current < 0 &&
      this.retryHead < 0 &&
      this.openMessages === 0 &&
      (this.returns?.count ?? 0) === 0
    );
  }
}

/** Units of 256 bytes that a destination grants beyond what arrived: 4 MiB. */
const CREDIT_AHEAD = 16_384;
