import { describe, expect, it } from 'vitest';
import { QP_STATES, type QpState } from '../uapi/objects/qp.ts';
import { QP_KINDS, QP_STATE_RULES, type QpAttribute, type QpKind, qpStepFault } from './qp-transitions.ts';

const STATES = Object.keys(QP_STATES) as QpState[];
const KINDS = Object.keys(QP_KINDS) as QpKind[];
const PEER: QpAttribute[] = ['address', 'pathMtu', 'destQpn', 'rqPsn'];

/** Kind, from, to, required, an optional one (or ''). */
const VECTORS: readonly (readonly [QpKind, QpState, QpState, readonly QpAttribute[], QpAttribute | ''])[] = [
  ['RC', 'RESET', 'INIT', ['pkeyIndex', 'port', 'accessFlags'], ''],
  ['UC', 'RESET', 'INIT', ['pkeyIndex', 'port', 'accessFlags'], ''],
  ['UD', 'RESET', 'INIT', ['pkeyIndex', 'port', 'qkey'], ''],
  ['RC', 'INIT', 'INIT', [], 'accessFlags'],
  ['UD', 'INIT', 'INIT', [], 'qkey'],
  ['RC', 'INIT', 'RTR', [...PEER, 'maxDestRdAtomic', 'minRnrTimer'], 'accessFlags'],
  ['UC', 'INIT', 'RTR', PEER, 'pkeyIndex'],
  ['UD', 'INIT', 'RTR', [], 'qkey'],
  ['RC', 'RTR', 'RTS', ['sqPsn', 'timeout', 'retryCount', 'rnrRetry', 'maxRdAtomic'], 'minRnrTimer'],
  ['UC', 'RTR', 'RTS', ['sqPsn'], 'currentState'],
  ['UD', 'RTR', 'RTS', ['sqPsn'], 'qkey'],
  ['RC', 'RTS', 'RTS', [], 'accessFlags'],
  ['UD', 'RTS', 'RTS', [], 'qkey'],
  ['RC', 'RTS', 'SQD', [], 'sqdNotify'],
  ['RC', 'SQD', 'RTS', [], 'currentState'],
  ['RC', 'SQD', 'SQD', [], 'timeout'],
  ['UC', 'SQE', 'RTS', [], 'accessFlags'],
  ['UD', 'SQE', 'RTS', [], 'qkey'],
  ['RU', 'RTS', 'RTS', [], 'accessFlags'],
  ['RU', 'RESET', 'RTS', [], 'port'],
];

describe('transition table of queue pairs (verbs/2.3, verbs/2.4)', () => {
  it.each(VECTORS)('%s %s to %s needs %j, and takes %s', (kind, from, to, must, may) => {
    expect(qpStepFault(kind, from, to, must)).toBeUndefined();
    if (may !== '') expect(qpStepFault(kind, from, to, [...must, may])).toBeUndefined();
    for (const left of must) {
      const fault = qpStepFault(
        kind,
        from,
        to,
        must.filter((one) => one !== left),
      );
      expect(fault).toMatchObject({ code: 'EINVAL', missing: [left] });
    }
    const foreign: QpAttribute = kind === 'UD' ? 'retryCount' : 'qkey';
    expect(qpStepFault(kind, from, to, [...must, foreign])).toMatchObject({ code: 'EINVAL', extra: [foreign] });
  });

  it('goes to RESET and ERR from everywhere, with nothing; RU as its own rules say (R124)', () => {
    for (const kind of KINDS) {
      for (const from of STATES) {
        const ends = (['RESET', 'ERR'] as const).map((to) => qpStepFault(kind, from, to, [])?.code ?? '');
        const expected = kind !== 'RU' || from === 'ERR' || from === 'RESET' ? ['', ''] : ['EINVAL', ''];
        expect(ends, `${kind} from ${from}`).toEqual(expected);
        expect(qpStepFault(kind, from, 'ERR', ['port'])?.extra).toEqual(['port']);
      }
      for (const to of STATES) {
        const code = to === 'RESET' || to === 'ERR' ? undefined : 'EINVAL';
        if (kind !== 'RU') expect(qpStepFault(kind, 'ERR', to, [])?.code, `ERR to ${to}`).toBe(code);
      }
    }
    expect(qpStepFault('RU', 'RTS', 'INIT', [])?.code).toBe('EOPNOTSUPP');
    expect(qpStepFault('RU', 'RESET', 'RTR', [])?.code).toBe('EOPNOTSUPP');
    expect(qpStepFault('RU', 'ERR', 'RTS', [])?.code).toBe('EINVAL');
    expect(qpStepFault('RU', 'RTS', undefined, ['accessFlags'])?.code).toBe('EINVAL');
    expect(qpStepFault('RU', 'RTS', 'RTS', ['pathMtu'])?.code).toBe('EINVAL');
    expect(qpStepFault('RC', 'RTS', undefined, ['accessFlags'])).toBeUndefined();
  });

  it('has rows that make sense', () => {
    for (const kind of KINDS) {
      const { steps, without } = QP_KINDS[kind];
      const pairs = steps.map(({ from, to }) => `${from} ${to}`);
      expect(new Set(pairs).size, kind).toBe(pairs.length);
      for (const { to, must, may } of steps) {
        expect(must.filter((one) => may.includes(one))).toEqual([]);
        expect(without).not.toContain(to);
      }
    }
    for (const state of STATES) {
      const rules = QP_STATE_RULES[state];
      // what may be posted is kept, sent or flushed, and nothing is flushed that could be sent
      if (rules.outgoing) expect(rules.postSend && !rules.flushSends).toBe(true);
    }
  });

  it('explains what is wrong', () => {
    const fault = qpStepFault('RC', 'INIT', 'RTR', ['address', 'destQpn', 'rqPsn', 'maxDestRdAtomic', 'minRnrTimer']);
    expect(fault?.problem).toBe('INIT → RTR needs pathMtu');
    expect(fault?.try).toContain('required: address, pathMtu');
    expect(qpStepFault('RC', 'RESET', 'RTS', [])?.try).toBe('from RESET to INIT, RESET, ERR');
  });
});
