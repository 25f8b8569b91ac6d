/** What `QueuePair.modify` takes and `query` gives. @spec verbs/2 */
import { VerbsError } from '../base/verbs-error.ts';
import { QP_KINDS, QP_STATE_RULES } from '../device/qp-transitions.ts';
import { QP_STATES, type QpState, type QpType } from '../uapi/objects/qp.ts';
import type { Row } from '../uapi/rows.ts';
import { type AccessRight, accessBits, accessRights } from './access-rights.ts';
import { rawAddress } from './address-text.ts';

/** Which attributes a step needs and allows depends on kind and states; what is not allowed is refused, not ignored. */
export interface QueuePairChange {
  /** Where to. */
  readonly state?: QpState;
  /** Where it is thought to be; refused when it is elsewhere. */
  readonly currentState?: QpState;
  /** What peers may do through it: 'remote-write', 'remote-read', 'remote-atomic'. */
  readonly access?: readonly AccessRight[];
  readonly pkeyIndex?: number;
  readonly port?: number;
  readonly qkey?: number;
  /** The one peer of a connected queue pair. */
  readonly peer?: { readonly address: string; readonly port?: number };
  /** Code 1 to 5: 256 to 4096 bytes. */
  readonly pathMtu?: number;
  /** 4.096 µs · 2^n; 0 for never. */
  readonly timeout?: number;
  readonly retryCount?: number;
  /** 7: for ever. */
  readonly rnrRetry?: number;
  readonly rqPsn?: number;
  readonly sqPsn?: number;
  readonly maxRdAtomic?: number;
  readonly maxDestRdAtomic?: number;
  readonly minRnrTimer?: number;
  /** Number of the peer's queue pair. */
  readonly destQpn?: number;
  /** Raise SQ_DRAINED in SQD when nothing is under way. */
  readonly notifyDrained?: boolean;
}

export interface QueuePairInfo {
  readonly state: QpState;
  readonly type: QpType;
  readonly qpn: number;
  readonly access: readonly AccessRight[];
  /** Everything, by the device's names. */
  readonly attributes: Row;
}

/** The attributes of QP.MODIFY. @throws VerbsError EINVAL no state, no address, no right */
export function modifyInput(change: QueuePairChange, sgidIndex: number) {
  const { state, currentState, access, peer, notifyDrained, ...rest } = change;
  return {
    ...rest,
    state: stateValue(state),
    currentState: stateValue(currentState),
    accessFlags: access === undefined ? undefined : accessBits('modify', access),
    address: peer === undefined ? undefined : { ...rawAddress('modify', peer), sgidIndex },
    sqdNotify: notifyDrained === undefined ? undefined : Number(notifyDrained),
  };
}

export function queuePairInfo(attributes: Row): QueuePairInfo {
  return {
    state: attributes['state'] as QpState,
    type: attributes['type'] as QpType,
    qpn: Number(attributes['qpn']),
    access: accessRights(Number(attributes['access_flags'] ?? 0)),
    attributes,
  };
}

export const stateOfValue = (value: number): QpState =>
  (Object.keys(QP_STATES) as QpState[]).find((name) => QP_STATES[name] === value) ?? 'ERR';

/** Whether work may be posted in a state. A kind that only its driver knows is not judged here. */
export function postable(type: QpType, state: QpState): { readonly sends: boolean; readonly receives: boolean } {
  if (!(type in QP_KINDS)) return { sends: true, receives: true };
  const { postSend, postReceive } = QP_STATE_RULES[state];
  return { sends: postSend, receives: postReceive };
}

/** The kind has one peer, so requests carry no address. */
export const isConnected = (type: QpType): boolean => type in QP_KINDS && QP_KINDS[type as 'RC'].connected;

export function wrongState(call: string, object: string, state: QpState): VerbsError {
  return new VerbsError('EINVAL', call, `nothing can be posted here in state ${state}`, {
    object,
    try: call === 'postReceive' ? "modify({ state: 'INIT', … }) first" : "modify the queue pair to 'RTS' first",
  });
}

function stateValue(state: QpState | undefined): number | undefined {
  if (state === undefined) return undefined;
  const value = QP_STATES[state];
  if (value !== undefined) return value;
  throw new VerbsError('EINVAL', 'modify', `there is no state '${state}'`, { try: Object.keys(QP_STATES).join(', ') });
}
