import { describe, expect, it } from 'vitest';
import { type AgentEvent, AgentReader, killRequest, runRequest } from './agent.ts';

const encode = (text: string) => new TextEncoder().encode(text);

describe('lines from the guest', () => {
  const stream = '0 r ready\n1 o first\n2 o \n1 p half\n1 e 0\n2 p 1 e 7\n2 e 139\n';
  const events: AgentEvent[] = [
    { kind: 'ready' },
    { kind: 'output', id: 1, text: 'first\n' },
    { kind: 'output', id: 2, text: '\n' },
    { kind: 'output', id: 1, text: 'half' },
    { kind: 'end', id: 1, status: 0 },
    { kind: 'output', id: 2, text: '1 e 7' },
    { kind: 'end', id: 2, status: 139 },
  ];

  it('keep the output of commands apart, and no output is taken for an end', () => {
    expect(new AgentReader().push(encode(stream))).toEqual(events);
  });

  it('may arrive in pieces of any length', () => {
    const bytes = encode(`${stream}3 o Zürich\n`);
    for (let size = 1; size < 12; size++) {
      const reader = new AgentReader();
      const got: AgentEvent[] = [];
      for (let at = 0; at < bytes.length; at += size) got.push(...reader.push(bytes.subarray(at, at + size)));
      expect(got).toEqual([...events, { kind: 'output', id: 3, text: 'Zürich\n' }]);
      expect(reader.badLines).toBe(0);
    }
  });

  it('that make no sense are counted, and the rest is understood', () => {
    const reader = new AgentReader();
    expect(reader.push(encode('noise\n1 x what\n1 e\n1 e many\n-1 o no\n5 e 0\n'))).toEqual([
      { kind: 'end', id: 5, status: 0 },
    ]);
    expect(reader.badLines).toBe(5);
  });

  it('without end do not fill the memory', () => {
    const reader = new AgentReader();
    for (let chunk = 0; chunk < 100; chunk++) reader.push(encode('x'.repeat(10_000)));
    expect(reader.badLines).toBeGreaterThan(0);
    expect(reader.push(encode('\n1 e 0\n'))).toEqual([{ kind: 'end', id: 1, status: 0 }]);
  });
});

describe('requests to the guest', () => {
  it('are one line each', () => {
    expect(runRequest(7, 'rdma link; echo "a b"')).toBe('run 7 rdma link; echo "a b"\n');
    expect(killRequest(7, 'INT')).toBe('kill 7 INT\n');
  });

  it('of several lines, or too long, are refused', () => {
    expect(() => runRequest(1, 'true\nkill 2 KILL')).toThrow('one line');
    expect(() => runRequest(1, 'x'.repeat(8001))).toThrow('8000 characters');
  });
});
