/**
 * One connection as the machine sees it, from the first message to the end of its time of waiting.
 *
 *   active    REQ_SENT ─REP─► REP_RCVD ─confirm─► ESTABLISHED ─disconnect─► DREQ_SENT ─DREP─► TIMEWAIT ─► gone
 *   passive   REQ_RCVD ─accept─► REP_SENT ─RTU─► ESTABLISHED ─DREQ─► TIMEWAIT
 *   either    refused, given up, no answer: ─► TIMEWAIT, where late messages get the last answer again
 * @spec IBTA vol. 1 §12.9
 */
import type { CmTimes } from './cm-limits.ts';
import type { CmKind, CmMessage, ReqMessage } from './messages.ts';

export type CmState = 'REQ_SENT' | 'REP_RCVD' | 'REQ_RCVD' | 'REP_SENT' | 'ESTABLISHED' | 'DREQ_SENT' | 'TIMEWAIT';

/** Where messages come from and go to. */
export interface CmPeer {
  /** The same for all messages of one peer. */
  readonly key: string;
  /** Its address as text. */
  readonly address: string;
}

export class CmLink {
  /** Place in the table. */
  readonly slot: number;
  readonly peer: CmPeer;
  /** It asked for the connection. */
  readonly isActive: boolean;
  /** Number that the peer calls it by; random. */
  readonly localCommId: number;
  /** Number that it calls the peer's side by; 0 as long as it is not known. */
  remoteCommId: number;
  transactionId: bigint;
  /** Transaction of the request. */
  readonly requestId: bigint;
  state: CmState;
  localQpn = 0;
  remoteQpn = 0;
  /** Port of the listener, of a passive one. */
  readonly port: number;
  /** Sent again until it is answered. */
  repeated: CmMessage | undefined;
  /** What the last message of the peer is answered with when it comes again. */
  answer: CmMessage | undefined;
  retriesLeft = 0;
  readonly maxRetries: number;
  /** Between repetitions, ns. */
  readonly intervalNs: number;
  /** How long late messages of the peer may come, ns. */
  readonly timewaitNs: number;
  /** When the step under way has failed at the latest, ns. */
  endsAt = Number.POSITIVE_INFINITY;

  constructor(
    slot: number,
    peer: CmPeer,
    state: CmState,
    ids: { readonly localCommId: number; readonly remoteCommId: number; readonly transactionId: bigint },
    port: number,
    times: CmTimes,
  ) {
    this.slot = slot;
    this.peer = peer;
    this.state = state;
    this.isActive = state === 'REQ_SENT';
    this.localCommId = ids.localCommId;
    this.remoteCommId = ids.remoteCommId;
    this.transactionId = ids.transactionId;
    this.requestId = ids.transactionId;
    this.port = port;
    this.intervalNs = times.intervalNs;
    this.maxRetries = times.maxRetries;
    this.timewaitNs = times.timewaitNs;
  }
}

/** What the machine tells its host. */
export type CmEvent =
  /** A peer asks for a connection: accept or reject it. */
  | { readonly kind: 'request'; readonly link: CmLink; readonly request: ReqMessage }
  /** The peer agreed: confirm, or reject. */
  | { readonly kind: 'replied'; readonly link: CmLink; readonly reply: Extract<CmMessage, { kind: 'REP' }> }
  | { readonly kind: 'established'; readonly link: CmLink }
  /** The peer refused. */
  | { readonly kind: 'refused'; readonly link: CmLink; readonly refusal: Extract<CmMessage, { kind: 'REJ' }> }
  /** The peer did not answer. */
  | { readonly kind: 'unreachable'; readonly link: CmLink }
  /** A request that nobody answered yet is void: the peer took it back, or it waited too long. */
  | { readonly kind: 'abandoned'; readonly link: CmLink }
  /** An established connection is over. */
  | {
      readonly kind: 'ended';
      readonly link: CmLink;
      readonly by: 'local' | 'peer' | 'lost' | 'stale';
      readonly privateData: Uint8Array;
    };

/** What is done about a message. */
export type CmReaction =
  | 'takeReply'
  | 'takeRefusal'
  | 'takeBack'
  | 'establish'
  | 'part'
  | 'parted'
  | 'waitLonger'
  | 'askForTime'
  | 'sayAgain'
  | 'farewell'
  | 'nothing';

/** Which message does what in which state; what is not here is dropped. @spec IBTA vol. 1 §12.9.7 */
export const CM_REACTIONS: Readonly<Record<CmState, Readonly<Partial<Record<CmKind, CmReaction>>>>> = {
  REQ_SENT: { MRA: 'waitLonger', REP: 'takeReply', REJ: 'takeRefusal' },
  REP_RCVD: { REP: 'nothing', REJ: 'takeRefusal' },
  REQ_RCVD: { REQ: 'askForTime', REJ: 'takeBack' },
  REP_SENT: { REQ: 'sayAgain', MRA: 'waitLonger', RTU: 'establish', REJ: 'takeRefusal', DREQ: 'part' },
  ESTABLISHED: { REQ: 'nothing', REP: 'sayAgain', RTU: 'nothing', REJ: 'part', DREQ: 'part' },
  DREQ_SENT: { REP: 'nothing', RTU: 'nothing', DREP: 'parted', REJ: 'parted', DREQ: 'part' },
  TIMEWAIT: { REQ: 'sayAgain', REP: 'sayAgain', RTU: 'nothing', REJ: 'nothing', DREQ: 'farewell', DREP: 'nothing' },
};
