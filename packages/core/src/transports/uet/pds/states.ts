/**
 * States of a delivery context, as a table: which steps exist, and why each is taken.
 *
 *   initiator  CREATING -> ESTABLISHED -> QUIESCE -> ACK_WAIT -> CLOSE -> CLOSED
 *   target     ESTABLISHED -> QUIESCE -> CLOSED            (PENDING only with security)
 *
 * @spec uet:pds/3.8
 */
export const PdcState = {
  CLOSED: 0,
  CREATING: 1,
  PENDING: 2,
  ESTABLISHED: 3,
  QUIESCE: 4,
  ACK_WAIT: 5,
  CLOSE: 6,
} as const;

export const PDC_STATE_NAMES = [
  'CLOSED',
  'CREATING',
  'PENDING',
  'ESTABLISHED',
  'QUIESCE',
  'ACK_WAIT',
  'CLOSE',
] as const;

type Step = readonly [from: number, to: number, why: string];
const { CLOSED, CREATING, ESTABLISHED, QUIESCE, ACK_WAIT, CLOSE } = PdcState;

export const INITIATOR_STEPS: readonly Step[] = [
  [CLOSED, CREATING, 'request without a context'],
  [CREATING, ESTABLISHED, 'acknowledgement teaches the peer context'],
  [CREATING, CLOSED, 'fatal NACK or retry limit'],
  [CREATING, QUIESCE, 'local close before the first answer'],
  [ESTABLISHED, QUIESCE, 'idle, close requested, or local close'],
  [ESTABLISHED, CLOSED, 'fatal NACK or retry limit'],
  [QUIESCE, ACK_WAIT, 'last open message sent, no read open'],
  [QUIESCE, CLOSED, 'fatal NACK or retry limit'],
  [ACK_WAIT, CLOSE, 'all packets of both directions acknowledged'],
  [ACK_WAIT, CLOSED, 'fatal NACK or retry limit'],
  [CLOSE, CLOSED, 'close acknowledged, refused, or given up'],
];

export const TARGET_STEPS: readonly Step[] = [
  [CLOSED, ESTABLISHED, 'acceptable SYN'],
  [ESTABLISHED, QUIESCE, 'wants to close'],
  [ESTABLISHED, CLOSED, 'Close Command, or failure'],
  [QUIESCE, CLOSED, 'Close Command, or time-out'],
];

export const stepAllowed = (initiator: boolean, from: number, to: number): boolean =>
  (initiator ? INITIATOR_STEPS : TARGET_STEPS).some(([a, b]) => a === from && b === to);
