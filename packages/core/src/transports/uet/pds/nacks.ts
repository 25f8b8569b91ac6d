/** NACK codes: class, and what the source does. The table is the only place that knows. @spec uet:pds/2.12 */
import { NackCode } from '../../../wire/uet/pds.ts';

/**
 * `resend`: the PSN again, after a wait. `goBack`: everything from the payload's PSN. `reopen`: the context is
 * gone at the peer. `fail`: close in error, report. `later`: restart the retransmission timer. `ignore`.
 */
export type NackReaction = 'resend' | 'resendNow' | 'goBack' | 'reopen' | 'fail' | 'later' | 'ignore' | 'repeatRead';

export interface NackRow {
  readonly name: string;
  readonly class: 'normal' | 'error' | 'fatal' | 'reserved';
  readonly reaction: NackReaction;
  readonly text: string;
}

const row = (name: string, cls: NackRow['class'], reaction: NackReaction, text: string): NackRow => ({
  name,
  class: cls,
  reaction,
  text,
});
const RESERVED = row('reserved', 'reserved', 'ignore', 'reserved code');

const ROWS: Readonly<Record<number, NackRow>> = {
  [NackCode.TRIMMED]: row('TRIMMED', 'normal', 'resendNow', 'a switch cut the payload off'),
  [NackCode.TRIMMED_LASTHOP]: row('TRIMMED_LASTHOP', 'normal', 'resendNow', 'the last switch cut the payload off'),
  [NackCode.TRIMMED_ACK]: row('TRIMMED_ACK', 'reserved', 'ignore', 'withdrawn'),
  [NackCode.NO_PDC_AVAIL]: row('NO_PDC_AVAIL', 'normal', 'resend', 'no delivery context free'),
  [NackCode.NO_CCC_AVAIL]: row('NO_CCC_AVAIL', 'normal', 'resend', 'no congestion context free'),
  [NackCode.NO_BITMAP]: row('NO_BITMAP', 'normal', 'resend', 'no tracking bitmap free'),
  [NackCode.NO_PKT_BUFFER]: row('NO_PKT_BUFFER', 'normal', 'resend', 'no packet buffer'),
  [NackCode.NO_GTD_DEL_AVAIL]: row('NO_GTD_DEL_AVAIL', 'normal', 'resend', 'no room for a guaranteed response'),
  [NackCode.NO_SES_MSG_AVAIL]: row('NO_SES_MSG_AVAIL', 'normal', 'resend', 'no room for message state'),
  [NackCode.NO_RESOURCE]: row('NO_RESOURCE', 'normal', 'resend', 'another resource is short'),
  [NackCode.PSN_OOR_WINDOW]: row('PSN_OOR_WINDOW', 'normal', 'resend', 'outside the receive window'),
  [NackCode.ROD_OOO]: row('ROD_OOO', 'normal', 'goBack', 'out of order on an ordered context'),
  [NackCode.INV_DPDCID]: row('INV_DPDCID', 'fatal', 'reopen', 'the peer has no such context'),
  [NackCode.PDC_HDR_MISMATCH]: row('PDC_HDR_MISMATCH', 'fatal', 'reopen', 'the header does not fit the context'),
  [NackCode.CLOSING]: row('CLOSING', 'fatal', 'reopen', 'the context is closing or closed'),
  [NackCode.CLOSING_IN_ERR]: row('CLOSING_IN_ERR', 'fatal', 'fail', 'the peer closed in error'),
  [NackCode.PKT_NOT_RCVD]: row('PKT_NOT_RCVD', 'error', 'resendNow', 'that packet never arrived'),
  [NackCode.GTD_RESP_UNAVAIL]: row('GTD_RESP_UNAVAIL', 'fatal', 'fail', 'the guaranteed response was lost'),
  [NackCode.ACK_WITH_DATA]: row('ACK_WITH_DATA', 'error', 'repeatRead', 'the acknowledgement carried data; ask again'),
  [NackCode.INVALID_SYN]: row('INVALID_SYN', 'fatal', 'reopen', 'the start does not fit an existing context'),
  [NackCode.PDC_MODE_MISMATCH]: row('PDC_MODE_MISMATCH', 'fatal', 'reopen', 'the delivery mode does not fit'),
  [NackCode.NEW_START_PSN]: row('NEW_START_PSN', 'normal', 'ignore', 'secure start; only with security'),
  [NackCode.RCVD_SES_PROCG]: row('RCVD_SES_PROCG', 'normal', 'later', 'arrived, answer still to come'),
  [NackCode.UNEXP_EVENT]: row('UNEXP_EVENT', 'fatal', 'reopen', 'unexpected event'),
  [NackCode.RCVR_INFER_LOSS]: row('RCVR_INFER_LOSS', 'normal', 'resend', 'the destination inferred a loss'),
  253: row('EXPERIMENTAL_NORMAL', 'normal', 'resend', 'experimental'),
  254: row('EXPERIMENTAL_ERROR', 'error', 'resend', 'experimental'),
  255: row('EXPERIMENTAL_FATAL', 'fatal', 'reopen', 'experimental'),
};

export const nackRow = (code: number): NackRow => ROWS[code] ?? RESERVED;
