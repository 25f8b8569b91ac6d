import { describe, expect, it } from 'vitest';
import { loop } from '../transports/loop/index.ts';
import { Bed, type End } from './bed.ts';

const write = (from: End, to: End, remoteOffset = 0) => {
  const remote = to.buffer(100).remote;
  from.qp.post({ opcode: 'write', to: from.to(to), ...from.buffer(100, { salt: 1 }).part(), remote, remoteOffset });
};

describe('a queue pair that is made of connected ones', () => {
  it('has one for each peer, made when it is needed, and one queue of receives', () => {
    const bed = new Bed({ transport: loop, kind: 'RC', ends: 4 });
    const [a, ...others] = bed.ends as [End, ...End[]];
    for (const [i, end] of others.entries()) {
      a.qp.postReceive({ id: i, ...a.buffer(100).part() });
      write(a, end);
      end.qp.post({ opcode: 'send', to: end.to(a), ...end.buffer(10, { salt: i }).part(), imm: i });
    }
    bed.completed(a, 3, 3);
    expect(new Set(a.received.map(({ qpn }) => qpn)).size).toBe(3);
    expect(a.received.map(({ imm }) => imm).sort()).toEqual([0n, 1n, 2n]);
    bed.close();
  });

  it('connects anew after a failure, both ends, and what was posted behind it is flushed', () => {
    const bed = new Bed({ transport: loop, kind: 'RC' });
    const { a, b } = bed;
    for (let round = 0; round < 3; round++) {
      write(a, b, 2 ** 40);
      write(a, b);
      bed.completed(a, 3 * round + 2, 0);
      write(a, b);
      bed.completed(a, 3 * round + 3, 0);
      const statuses = a.sent.slice(3 * round).map(({ status }) => status);
      expect(statuses).toEqual(['REM_ACCESS_ERR', 'WR_FLUSH_ERR', 'SUCCESS']);
    }
    write(a, b, 2 ** 40);
    bed.completed(a, 10, 0);
    expect(a.qp.state).toBe('ERR');
    a.revive();
    expect(a.qp.state).toBe('RTS');
    bed.close();
  });

  it('leaves nothing behind when it is closed', () => {
    const bed = new Bed({ transport: loop, kind: 'RC', ends: 3 });
    const spare = bed.a.queuePair();
    for (const end of bed.ends.slice(1)) spare.post({ opcode: 'send', to: bed.a.to(end) });
    const before = bed.a.node.registered.census().queue_pairs!;
    spare.close();
    expect(bed.a.node.registered.census().queue_pairs).toBe(before - 2);
    bed.close();
  });
});
