import { describe, expect, it } from 'vitest';
import type { VerbsError } from '../../base/verbs-error.ts';
import { Bed } from '../../testing/bed.ts';
import type { SentPacket } from '../../testing/pump.ts';
import { PdsType } from '../../wire/uet/pds.ts';
import { loop } from '../loop/index.ts';
import { uet } from './index.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as VerbsError).code;
  }
  return '';
};

describe('queue pairs that ask for idempotent requests (uet:pds/6.1)', () => {
  it('write and read by RUDI, and send and tell by RUD', () => {
    const types: number[] = [];
    const inspect = ({ bytes }: SentPacket) => {
      types.push(bytes[0]! >> 3);
      return undefined;
    };
    const bed = new Bed({ transport: uet, inspect });
    const { a, b } = bed;
    const qp = a.queuePair({ idempotent: true });
    const sink = b.buffer(5000);
    const source = a.buffer(5000, { salt: 3 });
    qp.post({ opcode: 'write', id: 1, to: a.to(b), ...source.part(), remote: sink.remote });
    bed.completed(a, 1, 0);
    sink.expectPattern(3);
    const back = a.buffer(5000);
    qp.post({ opcode: 'read', id: 2, to: a.to(b), ...back.part(), remote: sink.remote });
    bed.completed(a, 2, 0);
    back.expectPattern(3);
    expect(new Set(types)).toEqual(new Set([PdsType.RUDI_REQ, PdsType.RUDI_RESP]));
    types.length = 0;
    b.qp.postReceive({ id: 3, ...b.buffer(10).part() });
    qp.post({ opcode: 'send', id: 3, to: a.to(b), ...a.buffer(10, { salt: 1 }).part() });
    bed.completed(a, 3, 0);
    bed.completed(b, 0, 1);
    expect(types).toContain(PdsType.RUD_REQ);
    for (const one of [...a.sent, ...b.received]) expect(one.status).toBe('SUCCESS');
    bed.close();
  });

  it('are refused where order is asked for, or the transport has no such mode', () => {
    const bed = new Bed({ transport: uet });
    expect(codeOf(() => bed.a.queuePair({ idempotent: true, ordered: true }))).toBe('EINVAL');
    bed.close();
    const other = new Bed({ transport: loop });
    expect(codeOf(() => other.a.queuePair({ idempotent: true }))).toBe('EOPNOTSUPP');
    other.close();
  });
});
