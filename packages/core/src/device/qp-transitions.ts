/**
 * Which steps a queue pair may take, and what each must and may carry: one table per kind. What is in no row is refused.
 * The names are those of QP.MODIFY; `state` stands for itself everywhere.
 * @spec verbs/2.1 · verbs/2.3 · verbs/2.4
 */
import type { QpState } from '../uapi/objects/qp.ts';

/** Kinds whose rules the core knows; a DRIVER queue pair has its driver's. */
export type QpKind = 'RC' | 'UC' | 'UD' | 'GSI' | 'RU';

/** An attribute of QP.MODIFY. */
export type QpAttribute =
  | 'currentState'
  | 'accessFlags'
  | 'pkeyIndex'
  | 'port'
  | 'qkey'
  | 'address'
  | 'pathMtu'
  | 'timeout'
  | 'retryCount'
  | 'rnrRetry'
  | 'rqPsn'
  | 'maxRdAtomic'
  | 'minRnrTimer'
  | 'sqPsn'
  | 'maxDestRdAtomic'
  | 'destQpn'
  | 'sqdNotify';

export interface QpStep {
  readonly from: QpState;
  readonly to: QpState;
  readonly must: readonly QpAttribute[];
  readonly may: readonly QpAttribute[];
}

export interface QpKindRules {
  /** State that it is made in. */
  readonly initial: 'RESET' | 'RTS';
  /** It has one peer, fixed on the way to RTR; requests carry no address. */
  readonly connected: boolean;
  /** Where a failed request takes it; undefined: the request fails, and the queue pair goes on. */
  readonly failed: 'ERR' | 'SQE' | undefined;
  readonly steps: readonly QpStep[];
  /** States that the kind does not have at all: asking for them is not wrong but in vain. */
  readonly without: readonly QpState[];
}

/** What is done in a state. @spec verbs/2.1 */
export interface QpStateRules {
  /** Receives may be posted. */
  readonly postReceive: boolean;
  /** Sends may be posted. */
  readonly postSend: boolean;
  /** Packets of peers are served. */
  readonly incoming: boolean;
  /** New requests are taken from the ring and sent. */
  readonly outgoing: boolean;
  /** What is posted to the send ring completes with WR_FLUSH_ERR. */
  readonly flushSends: boolean;
  readonly flushReceives: boolean;
}

const rules = (text: string): QpStateRules => ({
  postReceive: text.includes('r'),
  postSend: text.includes('s'),
  incoming: text.includes('i'),
  outgoing: text.includes('o'),
  flushSends: text.includes('S'),
  flushReceives: text.includes('R'),
});

export const QP_STATE_RULES: Readonly<Record<QpState, QpStateRules>> = {
  RESET: rules(''),
  INIT: rules('r'),
  RTR: rules('ri'),
  RTS: rules('rsio'),
  SQD: rules('rsi'),
  SQE: rules('rsiS'),
  ERR: rules('rsSR'),
};

const step = (
  from: QpState,
  to: QpState,
  must: readonly QpAttribute[] = [],
  may: readonly QpAttribute[] = [],
): QpStep => ({ from, to, must, may });

const IDENTITY = ['pkeyIndex', 'port', 'accessFlags'] as const;
const DATAGRAM = ['pkeyIndex', 'port', 'qkey'] as const;
const PEER = ['address', 'pathMtu', 'destQpn', 'rqPsn'] as const;

/** Steps that connected kinds have in common. */
const CONNECTED = [
  step('RESET', 'INIT', IDENTITY),
  step('INIT', 'INIT', [], IDENTITY),
  step('RTS', 'SQD', [], ['sqdNotify']),
];

/** Datagram kinds. GSI is the one that connection managers meet on. */
const DATAGRAMS: QpKindRules = {
  initial: 'RESET',
  connected: false,
  failed: 'SQE',
  without: [],
  steps: [
    step('RESET', 'INIT', DATAGRAM),
    step('INIT', 'INIT', [], DATAGRAM),
    step('INIT', 'RTR', [], ['pkeyIndex', 'qkey']),
    step('RTR', 'RTS', ['sqPsn'], ['currentState', 'qkey']),
    step('RTS', 'RTS', [], ['currentState', 'qkey']),
    step('RTS', 'SQD', [], ['sqdNotify']),
    step('SQD', 'RTS', [], ['currentState', 'qkey']),
    step('SQD', 'SQD', [], ['pkeyIndex', 'qkey']),
    step('SQE', 'RTS', [], ['currentState', 'qkey']),
  ],
};

export const QP_KINDS: Readonly<Record<QpKind, QpKindRules>> = {
  RC: {
    initial: 'RESET',
    connected: true,
    failed: 'ERR',
    without: [],
    steps: [
      ...CONNECTED,
      step('INIT', 'RTR', [...PEER, 'maxDestRdAtomic', 'minRnrTimer'], ['accessFlags', 'pkeyIndex']),
      step(
        'RTR',
        'RTS',
        ['sqPsn', 'timeout', 'retryCount', 'rnrRetry', 'maxRdAtomic'],
        ['currentState', 'accessFlags', 'minRnrTimer'],
      ),
      step('RTS', 'RTS', [], ['currentState', 'accessFlags', 'minRnrTimer']),
      step('SQD', 'RTS', [], ['currentState', 'accessFlags', 'minRnrTimer']),
      step(
        'SQD',
        'SQD',
        [],
        [
          ...(['port', 'address', 'timeout', 'retryCount', 'rnrRetry', 'maxRdAtomic'] as const),
          ...(['maxDestRdAtomic', 'accessFlags', 'pkeyIndex', 'minRnrTimer'] as const),
        ],
      ),
    ],
  },
  UC: {
    initial: 'RESET',
    connected: true,
    failed: 'SQE',
    without: [],
    steps: [
      ...CONNECTED,
      step('INIT', 'RTR', PEER, ['accessFlags', 'pkeyIndex']),
      step('RTR', 'RTS', ['sqPsn'], ['currentState', 'accessFlags']),
      step('RTS', 'RTS', [], ['currentState', 'accessFlags']),
      step('SQD', 'RTS', [], ['currentState', 'accessFlags']),
      step('SQD', 'SQD', [], ['address', 'accessFlags', 'pkeyIndex']),
      step('SQE', 'RTS', [], ['currentState', 'accessFlags']),
    ],
  },
  UD: DATAGRAMS,
  GSI: DATAGRAMS,
  RU: {
    initial: 'RTS',
    connected: false,
    failed: undefined,
    without: ['INIT', 'RTR'],
    steps: [
      step('RTS', 'RTS', [], ['currentState', 'accessFlags', 'pkeyIndex', 'port']),
      step('RESET', 'RTS', [], ['currentState', 'accessFlags', 'pkeyIndex', 'port']),
    ],
  },
};

/** What is wrong with a step; undefined when nothing is. */
export interface QpStepFault {
  readonly code: 'EINVAL' | 'EOPNOTSUPP';
  readonly problem: string;
  readonly missing: readonly QpAttribute[];
  /** Given, and neither required nor allowed. */
  readonly extra: readonly QpAttribute[];
  /** What would work. */
  readonly try: string;
}

/**
 * Checks a step against the tables.
 *
 * @param to - undefined: no state was asked for
 * @param given - attributes of the call, without `state`
 */
export function qpStepFault(
  kind: QpKind,
  from: QpState,
  to: QpState | undefined,
  given: readonly QpAttribute[],
): QpStepFault | undefined {
  const { steps, without, initial } = QP_KINDS[kind];
  const fault = (code: QpStepFault['code'], problem: string, advice: string): QpStepFault => ({
    ...{ code, problem, missing: [], extra: [], try: advice },
  });
  if (to === undefined) {
    // kinds that are made ready have no states to walk through, so a call without one is a mistake
    if (initial === 'RTS') return fault('EINVAL', `a modify of kind ${kind} names its state`, `state: '${from}'`);
  } else if (without.includes(to)) {
    return fault('EOPNOTSUPP', `queue pairs of kind ${kind} have no state ${to}`, "they are made in 'RTS'");
  }
  const target = to ?? from;
  const found = rowOf(kind, from, target);
  if (found === undefined) {
    const next = [
      ...new Set([...steps.filter((one) => one.from === from).map((one) => one.to), ...endsOf(kind, from)]),
    ];
    return fault('EINVAL', `there is no way from ${from} to ${target}`, `from ${from} to ${next.join(', ')}`);
  }
  const missing = found.must.filter((name) => !given.includes(name));
  const extra = given.filter((name) => !found.must.includes(name) && !found.may.includes(name));
  if (missing.length === 0 && extra.length === 0) return undefined;
  const needs = found.must.length === 0 ? 'nothing' : found.must.join(', ');
  return {
    code: 'EINVAL',
    problem: `${from} → ${target} ${missing.length > 0 ? `needs ${missing.join(', ')}` : `does not take ${extra.join(', ')}`}`,
    missing,
    extra,
    try: `required: ${needs}; allowed: ${found.may.length === 0 ? 'nothing else' : found.may.join(', ')}`,
  };
}

function rowOf(kind: QpKind, from: QpState, to: QpState): QpStep | undefined {
  return (
    QP_KINDS[kind].steps.find((one) => one.from === from && one.to === to) ??
    (endsOf(kind, from).includes(to) ? step(from, to) : undefined)
  );
}

/** RESET and ERR, which need no attributes, as far as the kind has the way. */
function endsOf(kind: QpKind, from: QpState): QpState[] {
  if (QP_KINDS[kind].initial === 'RESET') return ['RESET', 'ERR'];
  return from === 'ERR' || from === 'RESET' ? ['RESET', 'ERR'] : ['ERR'];
}
