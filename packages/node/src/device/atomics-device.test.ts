import { type CompletionQueue, RemoteMemory } from '@verbena/core';
import { afterEach, describe, expect, test } from 'vitest';
import { type LiveDeviceHandle, openDevice } from './open-device.ts';

const opened: LiveDeviceHandle[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((device) => device.close()));
});

async function end(address: string, mode: 'inline' | 'worker') {
  const device = await openDevice({ seed: 1, address, mode });
  opened.push(device);
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey });
  const bytes = context.allocate(1024);
  const access = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const;
  const region = pd.registerMemory(bytes, { access });
  return { device, cq, qp, region, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

const statusOf = async (cq: CompletionQueue) => (await cq.next({ timeoutMs: 20_000 }))?.status;

describe('atomics over sockets (uet:ses/3.9)', () => {
  for (const [mode, net] of [
    ['inline', 1],
    ['worker', 2],
  ] as const) {
    test(`change words and lists of the peer and bring back what was there, ${mode}`, async () => {
      const a = await end(`127.0.97.${net}1`, mode);
      const b = await end(`127.0.97.${net}2`, mode);
      const { text: address, port } = b.device.local;
      const to = a.qp.pd.createAddressHandle({ address, port, qpn: b.qp.qpn });
      const remote = new RemoteMemory(b.region.rkey);
      const part = (offset: number, length: number) => ({ region: a.region, offset, length });
      const sum = { opcode: 'fetching-atomic', to, remote, atomicOp: 'SUM' } as const;
      a.view.setFloat64(0, 1.5, true);
      for (let i = 0; i < 100; i++) a.view.setInt32(8 + 4 * i, i - 50, true);
      for (let n = 0; n < 20; n++) {
        a.qp.post({ ...sum, atomicType: 'DOUBLE', ...part(0, 8), result: part(808, 8) });
        a.qp.post({ ...sum, atomicType: 'INT32', remoteOffset: 8, ...part(8, 400), result: part(408, 400) });
        expect([await statusOf(a.cq), await statusOf(a.cq)]).toEqual(['SUCCESS', 'SUCCESS']);
        expect(a.view.getFloat64(808, true)).toBe(1.5 * n);
        expect(a.view.getInt32(408 + 4 * 99, true)).toBe(49 * n);
      }
      expect(b.view.getFloat64(0, true)).toBe(30);
      for (let i = 0; i < 100; i++) expect(b.view.getInt32(8 + 4 * i, true)).toBe(20 * (i - 50));
    });
  }
});
