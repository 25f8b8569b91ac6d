/** What the AETH says when it is no acknowledgement, as tables of codes. */
import type { CodeRow, CodeTable } from '../../base/code-table.ts';
import { Status } from '../../engine/status.ts';
import { nameOf } from '../../wire/names.ts';
import { AethKind, RNR_TIMER_10US, RnrTimer, RoceNak, syndromeOf } from '../../wire/roce/syndrome.ts';

const nak = (name: keyof typeof RoceNak, text: string, cause: string, rest: Partial<CodeRow> = {}): CodeRow => ({
  ...{ value: RoceNak[name], name, text, cause },
  ...{ effect: 'the request fails, and the queue pair with it', ...rest },
});

/** Dense from 0. */
const NAKS: readonly CodeRow[] = [
  nak('PSN_SEQUENCE_ERROR', 'a packet is missing in front of this one', 'a PSN ahead of its turn, once for a gap', {
    effect: 'everything from the PSN told is sent again; without progress it fails after retryCount times',
    status: Status.RETRY_EXC_ERR,
    advice: 'nothing, when it is rare; otherwise the link loses or reorders packets',
    section: 'IBTA vol. 1 §9.7.5.1.3',
  }),
  nak(
    ...(['INVALID_REQUEST', 'the responder does not take the request'] as const),
    'opcodes out of order, a wrong length, an operand that is not aligned, more reads at a time than agreed',
    { status: Status.REM_INV_REQ_ERR },
  ),
  nak(
    ...(['REMOTE_ACCESS_ERROR', 'the memory is not open to the request'] as const),
    'an unknown key, another protection domain or job, a missing right, a range that leaves the region',
    { status: Status.REM_ACCESS_ERR },
  ),
  nak(
    ...(['REMOTE_OPERATIONAL_ERROR', 'the responder could not do it'] as const),
    'the receive at the other side is bad, or its device failed',
    { status: Status.REM_OP_ERR },
  ),
  nak(
    'INVALID_RD_REQUEST',
    'reliable datagrams are not taken',
    'never sent from here: there are no reliable datagrams',
    {
      status: Status.REM_INV_RD_REQ_ERR,
    },
  ),
];

/** Statuses that NAKs end in, by `RoceNak`. */
export const STATUS_OF_NAK: readonly (number | undefined)[] = NAKS.map(({ status }) => status);

export const CODES: readonly CodeTable[] = [
  {
    kind: 'nak',
    name: 'RoCEv2 NAK code',
    layer: 'AETH',
    prefixes: ['AETH_NAK_', 'IB_NAK_', 'NAK_'],
    section: 'IBTA vol. 1 §9.7.5.2',
    vendorBase: syndromeOf(AethKind.NAK, 0),
    rows: NAKS,
  },
  {
    kind: 'rnr-timer',
    name: 'RoCEv2 RNR timer',
    layer: 'AETH',
    prefixes: [],
    section: 'IBTA vol. 1 §9.7.5.2.8',
    vendorBase: syndromeOf(AethKind.RNR_NAK, 0),
    rows: Array.from(RNR_TIMER_10US, (steps, value) => ({
      value,
      name: nameOf(RnrTimer, value),
      text: `no receive is posted; the request may come again after ${steps * 10} µs`,
      cause: 'minRnrTimer of the queue pair that has no receive posted',
      effect: 'the request is sent again after that time, up to rnrRetry times (7: for ever); then it fails',
      status: Status.RNR_RETRY_EXC_ERR,
    })),
  },
];
