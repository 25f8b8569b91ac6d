import { describe, expect, it } from 'vitest';
import type { VerbsError } from '../../base/verbs-error.ts';
import { Bed, type End } from '../../testing/bed.ts';
import { FabricBed } from '../../testing/fabric-bed.ts';
import { checkPattern } from '../../testing/fabric-cases/fabric-case.ts';
import type { SentPacket } from '../../testing/pump.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import { PdsType } from '../../wire/uet/pds.ts';
import { loop } from '../loop/index.ts';
import { roce } from '../roce/index.ts';
import { uet } from './index.ts';

const counted = (end: End, name: string): number => end.node.kernel.links[0]!.engine.counters.get(name)!;

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
    const bed = new Bed({ transport: uet, inspect, idempotentMemory: true });
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

  it('write and read memory whose key does not allow repeats by RUD, with the same result (uet:ses/3.1, uet:ses/5.4)', () => {
    const bed = new Bed({ transport: uet, seed: 9, faults: { loss: 0.05, duplicate: 0.1 } });
    const { a, b } = bed;
    const qp = a.queuePair({ idempotent: true });
    const sink = b.buffer(9000);
    qp.post({ opcode: 'write', id: 1, to: a.to(b), ...a.buffer(9000, { salt: 3 }).part(), remote: sink.remote });
    bed.completed(a, 1, 0);
    sink.expectPattern(3);
    const back = a.buffer(9000);
    qp.post({ opcode: 'read', id: 2, to: a.to(b), ...back.part(), remote: sink.remote });
    bed.completed(a, 2, 0);
    back.expectPattern(3);
    expect(a.sent.map(({ status }) => status)).toEqual(['SUCCESS', 'SUCCESS']);
    expect(counted(a, 'idempotent_requests')).toBe(0);
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

describe('keys of memory that may be accessed more than once (IDEMPOTENT_SAFE, uet:ses/5.1)', () => {
  const SAFE = 1n << 63n;
  const access = ['local-write', 'remote-write', 'remote-read'] as const;

  it('have bit 63: random and chosen ones, with the flag or with the bit, of derived regions too, and after a new registration', () => {
    const bed = new Bed({ transport: uet });
    const { pd, context } = bed.b;
    const bytes = context.allocate(100);
    const isSafe = (key: bigint) => key >> 63n === 1n;
    expect(isSafe(pd.registerMemory(bytes, { access }).rkey)).toBe(false);
    const random = pd.registerMemory(bytes, { access, idempotent: true });
    expect([isSafe(random.rkey), (random.rkey & ~SAFE) >> 48n]).toEqual([true, 0n]);
    const chosen = pd.registerMemory(bytes, { access, idempotent: true, key: 0x77n });
    expect(chosen.rkey).toBe(SAFE | 0x77n);
    expect(pd.registerMemory(bytes, { access, key: SAFE | 0x78n }).rkey).toBe(SAFE | 0x78n);
    const index = SAFE | (1n << 62n) | 5n;
    expect(pd.registerMemory(bytes, { access, key: index }).rkey).toBe(index);
    // a part says for itself what may be done to it
    expect(isSafe(chosen.derive({ access }).rkey)).toBe(false);
    const plain = pd.registerMemory(bytes, { access, key: 0x79n });
    expect(plain.derive({ access, idempotent: true, key: 0x79n, length: 8 }).rkey).toBe(SAFE | 0x79n);
    random.reregister({ access: ['remote-read'] });
    expect(isSafe(random.rkey)).toBe(true);
    bed.close();
  });

  it('are other keys than those without it: each reaches its own region, and is taken for itself', () => {
    const bed = new Bed({ transport: uet });
    const { a, b } = bed;
    const key = 0x55n;
    const [plain, safe] = [b.context.allocate(8), b.context.allocate(8)];
    b.pd.registerMemory(plain, { access, key });
    b.pd.registerMemory(safe, { access, key, idempotent: true });
    expect(codeOf(() => b.pd.registerMemory(safe, { access, key }))).toBe('EEXIST');
    expect(codeOf(() => b.pd.registerMemory(safe, { access, key: SAFE | key }))).toBe('EEXIST');
    const qp = a.queuePair({ idempotent: true });
    for (const [salt, rkey] of [[1, key] as const, [2, SAFE | key] as const, [3, SAFE | 0x56n] as const]) {
      const remote = new RemoteMemory(rkey);
      qp.post({ opcode: 'write', id: salt, to: a.to(b), ...a.buffer(8, { salt }).part(), remote });
      bed.completed(a, salt, 0);
    }
    expect(a.sent.map(({ status }) => status)).toEqual(['SUCCESS', 'SUCCESS', 'REM_ACCESS_ERR']);
    checkPattern(plain, 8, 1);
    checkPattern(safe, 8, 2);
    expect(counted(a, 'idempotent_requests')).toBe(2);
    bed.close();
  });

  it('are refused where bits beside it are set, and by transports that do not have it', () => {
    const bed = new Bed({ transport: uet });
    const { pd, context } = bed.b;
    const bytes = context.allocate(8);
    for (const key of [SAFE | (1n << 48n), SAFE | (1n << 61n), SAFE | (1n << 62n) | 0x1000n]) {
      expect(
        codeOf(() => pd.registerMemory(bytes, { access, key })),
        key.toString(16),
      ).toBe('EINVAL');
    }
    bed.close();
    for (const transport of [loop, roce]) {
      const other = new Bed({ transport });
      const { pd, context } = other.b;
      const bytes = context.allocate(8);
      expect(codeOf(() => pd.registerMemory(bytes, { access, idempotent: true }))).toBe('EOPNOTSUPP');
      expect(codeOf(() => pd.registerMemory(bytes, { access, key: SAFE | 5n }))).toBe('EINVAL');
      const region = pd.registerMemory(bytes, { access });
      expect(codeOf(() => region.derive({ access, idempotent: true }))).toBe('EOPNOTSUPP');
      other.close();
    }
  });

  it('make endpoints of the fabric API use RUDI for them and for nothing else (uet:ses/7.2)', () => {
    const types: number[] = [];
    const inspect = ({ bytes }: SentPacket) => {
      types.push(bytes[0]! >> 3);
      return undefined;
    };
    const bed = new FabricBed({
      ...{ transport: uet, inspect },
      hints: { caps: { msg: true, rma: true, idempotent: true } },
    });
    const { a, b } = bed;
    const open = { remoteWrite: true, remoteRead: true };
    const safe = b.memory(5000, undefined, { ...open, idempotent: true });
    a.endpoint.rma.write(a.memory(5000, 3), 0, 5000, a.to(b), 0, safe.key, 'w');
    bed.completed(a, 1, 0);
    a.endpoint.rma.read(a.memory(5000), 0, 5000, a.to(b), 0, safe.key, 'r');
    bed.completed(a, 2, 0);
    checkPattern(safe.bytes, 5000, 3);
    expect(new Set(types)).toEqual(new Set([PdsType.RUDI_REQ, PdsType.RUDI_RESP]));
    types.length = 0;
    const plain = b.memory(5000, undefined, open);
    a.endpoint.rma.write(a.memory(5000, 4), 0, 5000, a.to(b), 0, plain.key, 'w');
    bed.completed(a, 3, 0);
    checkPattern(plain.bytes, 5000, 4);
    expect(types).toContain(PdsType.RUD_REQ);
    expect(types).not.toContain(PdsType.RUDI_REQ);
    bed.close();
  });
});
