import { describe, expect, it } from 'vitest';
import { loop } from '../transports/loop/index.ts';
import { uet } from '../transports/uet/index.ts';
import { Pump } from './pump.ts';

describe.each([loop, uet])('pump with $name', (transport) => {
  it('carries a send', () => {
    const pump = new Pump({ transport, seed: 7 });
    const ends = pump.nodes.map((node) => {
      const context = node.device.open();
      const pd = context.allocatePd();
      const cq = context.createCompletionQueue({ entries: 16 });
      const job = context.createJob({ id: 9 });
      const jobKey = pd.createJobKey(job);
      const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey });
      return { context, pd, cq, jobKey, qp };
    });
    const [a, b] = ends as [(typeof ends)[0], (typeof ends)[0]];
    const from = a.pd.registerMemory(new Uint8Array(3000).fill(7), { access: [] });
    const into = b.pd.registerMemory(new Uint8Array(4000), { access: ['local-write'] });
    b.qp.postReceive({ id: 5, region: into });
    const to = a.pd.createAddressHandle({ address: pump.node(1).address, qpn: b.qp.qpn });
    a.qp.post({ opcode: 'send', region: from, to, imm: 77 });
    pump.drive({ until: () => pump.trace.packets > 4 });
    pump.drive({ limitNs: 1e9 });
    expect(a.cq.take()).toMatchObject({ status: 'SUCCESS' });
    expect(b.cq.take()).toMatchObject({ status: 'SUCCESS', id: 5n, byteLength: 3000, imm: 77n });
    expect(into.bytes.subarray(0, 3000).every((x) => x === 7)).toBe(true);
    pump.close();
  });
});
