/**
 * NACK codes: class, what makes a destination send one, and what a source does about it. The table is the only place
 * that knows. @spec uet:pds/2.12
 */
import type { CodeTable } from '../../../base/code-table.ts';
import { Status } from '../../../engine/status.ts';
import { NackCode } from '../../../wire/uet/pds.ts';

/** What a source does: a row of `NACK_EFFECTS`. */
export type NackReaction =
  | 'resend'
  | 'resendNow'
  | 'goBack'
  | 'reopen'
  | 'restart'
  | 'renumber'
  | 'fail'
  | 'later'
  | 'ignore'
  | 'repeatRead';

export interface NackRow {
  readonly name: string;
  readonly class: 'normal' | 'error' | 'fatal' | 'reserved';
  readonly reaction: NackReaction;
  readonly text: string;
  /** What this engine sends it for; for one that it never sends, why it need not. */
  readonly trigger: string;
  readonly isSent: boolean;
  /** A sign of congestion on the way here. */
  readonly isCongestion: boolean;
  /** What a user can do; that of the reaction when left out. */
  readonly advice?: string;
}

type Extra = Partial<Pick<NackRow, 'isSent' | 'isCongestion' | 'advice'>>;
const row = (
  name: string,
  cls: NackRow['class'],
  reaction: NackReaction,
  text: string,
  trigger: string,
  extra: Extra = {},
): NackRow => ({ name, class: cls, reaction, text, trigger, isSent: true, isCongestion: false, ...extra });

const NEVER = { isSent: false } as const;
const RESERVED = row('reserved', 'reserved', 'ignore', 'reserved code', 'reserved', NEVER);
const TRIMMED_TEXT = 'a switch cut the payload off';

const ROWS: Readonly<Record<number, NackRow>> = {
  [NackCode.TRIMMED]: row('TRIMMED', 'normal', 'resendNow', TRIMMED_TEXT, 'trimmed request', { isCongestion: true }),
  [NackCode.TRIMMED_LASTHOP]: row(
    ...(['TRIMMED_LASTHOP', 'normal', 'resendNow', 'the last switch cut the payload off'] as const),
    'request trimmed at the last hop',
  ),
  [NackCode.TRIMMED_ACK]: row('TRIMMED_ACK', 'reserved', 'ignore', 'withdrawn', 'withdrawn in 1.0.3', NEVER),
  [NackCode.NO_PDC_AVAIL]: row(
    ...(['NO_PDC_AVAIL', 'normal', 'resend', 'no delivery context free'] as const),
    'SYN, the table or the share of the peer is full',
    { advice: 'raise maxContexts or maxTargetContextsPerPeer at the side that refuses, or use fewer peers' },
  ),
  [NackCode.NO_CCC_AVAIL]: row(
    ...(['NO_CCC_AVAIL', 'normal', 'resend', 'no congestion context free'] as const),
    'SYN, maxCccs are in use',
    { advice: 'raise maxCccs at the side that refuses' },
  ),
  [NackCode.NO_BITMAP]: row(
    ...(['NO_BITMAP', 'normal', 'resend', 'no tracking bitmap free'] as const),
    'SYN, maxBitmaps are in use',
    { advice: 'raise maxBitmaps at the side that refuses' },
  ),
  [NackCode.NO_PKT_BUFFER]: row(
    ...(['NO_PKT_BUFFER', 'normal', 'resend', 'no packet buffer'] as const),
    'only packets ahead of their turn are buffered, and without room these get ROD_OOO, which says more',
    NEVER,
  ),
  [NackCode.NO_GTD_DEL_AVAIL]: row(
    ...(['NO_GTD_DEL_AVAIL', 'normal', 'resend', 'no room for a guaranteed response'] as const),
    'the answer must be kept and the store is full',
  ),
  [NackCode.NO_SES_MSG_AVAIL]: row(
    ...(['NO_SES_MSG_AVAIL', 'normal', 'resend', 'no room for message state'] as const),
    'too many incomplete messages, in all or of this peer',
    { advice: 'raise maxInboundMessages or maxInboundPerPeer at the side that refuses, or send fewer at a time' },
  ),
  [NackCode.NO_RESOURCE]: row(
    ...(['NO_RESOURCE', 'normal', 'resend', 'another resource is short'] as const),
    'too much read data waits to leave',
  ),
  [NackCode.PSN_OOR_WINDOW]: row(
    ...(['PSN_OOR_WINDOW', 'normal', 'resend', 'outside the receive window'] as const),
    'PSN outside the window',
    { advice: 'compare windowPackets and defaultMpr of both ends' },
  ),
  [NackCode.ROD_OOO]: row(
    ...(['ROD_OOO', 'normal', 'goBack', 'out of order on an ordered context'] as const),
    'ahead of its turn, once for a gap; start that is not the first packet',
    { advice: 'nothing, when it is rare; where the link reorders, use unordered queue pairs' },
  ),
  [NackCode.INV_DPDCID]: row(
    ...(['INV_DPDCID', 'fatal', 'reopen', 'the peer has no such context'] as const),
    'names no context, and none that was closed lately',
  ),
  [NackCode.PDC_HDR_MISMATCH]: row(
    ...(['PDC_HDR_MISMATCH', 'fatal', 'reopen', 'the header does not fit the context'] as const),
    'another source context, or a semantic header that does not fit',
  ),
  [NackCode.CLOSING]: row(
    ...(['CLOSING', 'fatal', 'reopen', 'the context is closing or closed'] as const),
    'names a context that was closed lately',
  ),
  [NackCode.CLOSING_IN_ERR]: row(
    ...(['CLOSING_IN_ERR', 'fatal', 'fail', 'the peer closed in error'] as const),
    'Close Command while read data is not acknowledged; anything after Close_REQ_Time',
  ),
  [NackCode.PKT_NOT_RCVD]: row(
    ...(['PKT_NOT_RCVD', 'error', 'resendNow', 'that packet never arrived'] as const),
    'ACK Request for a PSN that did not arrive',
  ),
  [NackCode.GTD_RESP_UNAVAIL]: row(
    ...(['GTD_RESP_UNAVAIL', 'fatal', 'fail', 'the guaranteed response was lost'] as const),
    'responses are kept until they are cleared',
    NEVER,
  ),
  [NackCode.ACK_WITH_DATA]: row(
    ...(['ACK_WITH_DATA', 'error', 'repeatRead', 'the acknowledgement carried data; ask again'] as const),
    'data that rides in an acknowledgement is kept until it is cleared',
    NEVER,
  ),
  [NackCode.INVALID_SYN]: row(
    ...(['INVALID_SYN', 'fatal', 'restart', 'the start does not fit an existing context'] as const),
    'SYN for a known context with another start or far away; SYN that names a context opened from here',
  ),
  [NackCode.PDC_MODE_MISMATCH]: row(
    ...(['PDC_MODE_MISMATCH', 'fatal', 'reopen', 'the delivery mode does not fit'] as const),
    'type of another delivery mode; SYN on what cannot open a context',
  ),
  [NackCode.NEW_START_PSN]: row(
    ...(['NEW_START_PSN', 'normal', 'renumber', 'start again at the PSN told'] as const),
    'SYN while too many peers are unproven, or after closed contexts had to be forgotten',
  ),
  [NackCode.RCVD_SES_PROCG]: row(
    ...(['RCVD_SES_PROCG', 'normal', 'later', 'arrived, answer still to come'] as const),
    'ACK Request for a packet that waits for what is before it',
  ),
  [NackCode.UNEXP_EVENT]: row(
    ...(['UNEXP_EVENT', 'fatal', 'reopen', 'unexpected event'] as const),
    'unknown control packet, or one that the other side sends',
  ),
  [NackCode.RCVR_INFER_LOSS]: row(
    ...(['RCVR_INFER_LOSS', 'normal', 'resend', 'the destination inferred a loss'] as const),
    'inferLossPackets later ones have arrived',
    { isCongestion: true },
  ),
  [NackCode.EXP_NORMAL]: row('EXP_NORMAL', 'normal', 'resend', 'experimental', 'experimental', NEVER),
  [NackCode.EXP_PDC_ERR]: row('EXP_PDC_ERR', 'error', 'resend', 'experimental', 'experimental', NEVER),
  [NackCode.EXP_PDC_FATAL]: row('EXP_PDC_FATAL', 'fatal', 'reopen', 'experimental', 'experimental', NEVER),
};

export const nackRow = (code: number): NackRow => ROWS[code] ?? RESERVED;

const AFTER_REFUSALS = 'after maxNackRetries refusals the context fails';

/** What becomes of the packet, in words; and the status that its request fails with, if that is how it ends. */
export const NACK_EFFECTS: Readonly<Record<NackReaction, NackEffect>> = {
  resend: {
    effect: `the packet is sent again after a wait; ${AFTER_REFUSALS}`,
    status: Status.RETRY_EXC_ERR,
    advice: 'nothing, when it is rare; otherwise the side that refuses is short of something: look at its counters',
  },
  resendNow: {
    effect: `the packet is sent again at once; ${AFTER_REFUSALS}`,
    status: Status.RETRY_EXC_ERR,
    advice: 'nothing, when it is rare; otherwise the network is overloaded or loses packets',
  },
  repeatRead: {
    effect: `the read is asked for again at once; ${AFTER_REFUSALS}`,
    status: Status.RETRY_EXC_ERR,
    advice: 'nothing: it repairs itself',
  },
  goBack: { effect: 'everything from the PSN told is sent again', advice: 'nothing: it repairs itself' },
  reopen: {
    effect: 'the context is given up; messages that were surely not executed go to a new one, the others fail',
    status: Status.REM_OP_ERR,
    advice: 'the peer was started again, or closed the context meanwhile: send again what failed',
  },
  restart: {
    effect: 'before the first answer: the start is tried on a new context; later it is ignored',
    status: Status.REM_OP_ERR,
    advice: 'nothing: it repairs itself',
  },
  renumber: {
    effect: 'before the first answer: the context starts again at the PSN told; later it is ignored',
    advice: 'nothing: it repairs itself',
  },
  fail: {
    effect: 'the context is closed in error, and its messages fail',
    status: Status.REM_ABORT_ERR,
    advice: 'look at the counters of the peer; send again what failed',
  },
  later: { effect: 'the retransmission time-out starts again', advice: 'nothing: the answer comes' },
  ignore: {
    effect: 'it is counted and ignored',
    advice: 'capture the traffic and decode it; the peer is of another version',
  },
};

interface NackEffect {
  readonly effect: string;
  readonly advice: string;
  readonly status?: number;
}

/** The codes that are not reserved, as a table of codes. */
export const NACK_TABLE: CodeTable = {
  kind: 'nack',
  name: 'UET NACK code',
  layer: 'PDS',
  prefixes: ['UET_NACK_', 'PDS_NACK_', 'NACK_', 'UET_'],
  section: 'uet:pds/2.12',
  rows: Object.entries(ROWS).map(([code, { name, text, trigger, isSent, reaction, advice }]) => ({
    value: Number(code),
    name,
    text,
    cause: isSent ? trigger : `never sent from here: ${trigger}`,
    ...NACK_EFFECTS[reaction],
    ...(advice === undefined ? {} : { advice }),
  })),
};
