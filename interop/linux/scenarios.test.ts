import { describe, expect, it } from 'vitest';
import { interopScenarios, selfTestScenarios } from './scenarios.ts';
import { perf, pingpong, rping } from './tools.ts';

const SETTINGS = { count: 5, sizeBytes: 3001, mtuBytes: 1024, gidIndex: 1 };

describe('the table of scenarios', () => {
  it('names each row once, also as a file', () => {
    const names = [...interopScenarios(), ...selfTestScenarios()].map(({ name }) => name.replace(/[^\w.-]+/g, '_'));
    expect(new Set(names).size).toBe(names.length);
  });

  it('has every tool in both roles, and its wire fits its path MTU', () => {
    const rows = interopScenarios();
    const of = (role: string) => new Set(rows.filter((row) => row.role === role).map((row) => row.tool.name));
    expect(of('guest client')).toEqual(of('guest server'));
    // Ethernet takes what is left: IP, UDP, BTH, RETH, immediate data and ICRC are below 100 bytes.
    for (const row of rows) expect(row.settings.mtuBytes + 100, row.name).toBeLessThanOrEqual(row.netMtuBytes);
  });
});

describe('proofs that a tool did its work', () => {
  it('are found in what the tools print', () => {
    expect('5 iters in 0.09 seconds = 18.99 usec/iter').toMatch(pingpong('rc', SETTINGS).proof.client!);
    expect(' 3001       5                44.77              35.37  \t\t   0.012360').toMatch(
      perf('ib_write_bw', SETTINGS).proof.client!,
    );
    expect(' 8       5          424.23         817.88').toMatch(perf('ib_atomic_lat', SETTINGS).proof.client!);
    expect('ping data: rdma-ping-4: EFGHI').toMatch(rping(SETTINGS).proof.client!);
    expect('server ping data: rdma-ping-4: EFGHI').toMatch(rping(SETTINGS).proof.server!);
  });

  it('are not found when a round is missing', () => {
    expect('ping data: rdma-ping-3: DEFG').not.toMatch(rping(SETTINGS).proof.client!);
    expect(' 3001       4                44.77').not.toMatch(perf('ib_write_bw', SETTINGS).proof.client!);
  });
});
