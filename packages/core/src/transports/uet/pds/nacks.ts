/**
 * NACK codes: class, what makes a destination send one, and what a source does about it. The table is the only place
 * that knows. @spec uet:pds/2.12
 */
import { NackCode } from '../../../wire/uet/pds.ts';

/**
 * `resend`: the PSN again, after a wait. `goBack`: everything from the payload's PSN. `reopen`: the context is
 * gone at the peer. `restart`: the same, but only before the first answer. `renumber`: the payload is the first PSN to
 * use, again only before the first answer. `fail`: close in error, report. `later`: restart the retransmission timer.
 * `ignore`.
 */
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
}

type Extra = Partial<Pick<NackRow, 'isSent' | 'isCongestion'>>;
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
  ),
  [NackCode.NO_CCC_AVAIL]: row(
    ...(['NO_CCC_AVAIL', 'normal', 'resend', 'no congestion context free'] as const),
    'SYN, maxCccs are in use',
  ),
  [NackCode.NO_BITMAP]: row(
    ...(['NO_BITMAP', 'normal', 'resend', 'no tracking bitmap free'] as const),
    'SYN, maxBitmaps are in use',
  ),
  [NackCode.NO_PKT_BUFFER]: row(
    ...(['NO_PKT_BUFFER', 'normal', 'resend', 'no packet buffer'] as const),
    'packets are used where they lie and never buffered',
    NEVER,
  ),
  [NackCode.NO_GTD_DEL_AVAIL]: row(
    ...(['NO_GTD_DEL_AVAIL', 'normal', 'resend', 'no room for a guaranteed response'] as const),
    'the answer must be kept and the store is full',
  ),
  [NackCode.NO_SES_MSG_AVAIL]: row(
    ...(['NO_SES_MSG_AVAIL', 'normal', 'resend', 'no room for message state'] as const),
    'too many incomplete messages, in all or of this peer',
  ),
  [NackCode.NO_RESOURCE]: row(
    ...(['NO_RESOURCE', 'normal', 'resend', 'another resource is short'] as const),
    'too much read data waits to leave',
  ),
  [NackCode.PSN_OOR_WINDOW]: row(
    ...(['PSN_OOR_WINDOW', 'normal', 'resend', 'outside the receive window'] as const),
    'PSN outside the window',
  ),
  [NackCode.ROD_OOO]: row(
    ...(['ROD_OOO', 'normal', 'goBack', 'out of order on an ordered context'] as const),
    'ahead of its turn, once for a gap; start that is not the first packet',
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
    'requests are executed as they arrive',
    NEVER,
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
  253: row('EXPERIMENTAL_NORMAL', 'normal', 'resend', 'experimental', 'experimental', NEVER),
  254: row('EXPERIMENTAL_ERROR', 'error', 'resend', 'experimental', 'experimental', NEVER),
  255: row('EXPERIMENTAL_FATAL', 'fatal', 'reopen', 'experimental', 'experimental', NEVER),
};

export const nackRow = (code: number): NackRow => ROWS[code] ?? RESERVED;
