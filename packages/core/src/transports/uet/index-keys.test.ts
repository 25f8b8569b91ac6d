import { describe, expect, it } from 'vitest';
import { isVerbsError } from '../../base/verbs-error.ts';
import { Rig } from '../../verbs/device-rig.testdata.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import { uet } from './index.ts';

const INDEX = 1n << 62n;

/** A context of a device with UET, and what it needs to move data. */
function side(rig: Rig, address: string) {
  const { device } = rig.device(address, { transport: uet, settings: { shortHeaders: 1 } });
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 16 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const bytes = context.allocate(4096);
  const access = ['local-write', 'remote-write', 'remote-read'] as const;
  const region = pd.registerMemory(bytes, { access });
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 16, receiveDepth: 16 });
  return { pd, cq, bytes, access, region, qp };
}

describe('keys that are an index (uet:ses/5.1, uet:ses/2.3)', () => {
  it('programs choose them, and requests under them go with the small header', () => {
    const rig = new Rig();
    const a = side(rig, '10.0.0.1');
    const b = side(rig, '10.0.0.2');
    const open = b.pd.registerMemory(b.bytes, { access: b.access, key: INDEX + 0xfffn });
    expect(open.rkey).toBe(INDEX + 0xfffn);
    const to = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: b.qp.qpn });
    const remote = new RemoteMemory(open.rkey);
    a.bytes.set([1, 2, 3], 0);
    a.qp.post({ opcode: 'write', to, region: a.region, length: 3, remote, remoteOffset: 100 });
    rig.turn();
    a.qp.post({ opcode: 'read', to, region: a.region, offset: 50, length: 3, remote, remoteOffset: 100 });
    rig.turn();
    expect([...b.bytes.subarray(100, 103)]).toEqual([1, 2, 3]);
    expect([...a.bytes.subarray(50, 53)]).toEqual([1, 2, 3]);
    expect([a.cq.take()?.status, a.cq.take()?.status]).toEqual(['SUCCESS', 'SUCCESS']);
  });

  it('other keys above 48 bits are refused, and so is the same index twice', () => {
    const { pd, bytes, access } = side(new Rig(), '10.0.0.1');
    pd.registerMemory(bytes, { access, key: INDEX + 5n });
    const codeOf = (key: bigint): string => {
      try {
        pd.registerMemory(bytes, { access, key });
      } catch (error) {
        if (isVerbsError(error)) return error.code;
        throw error;
      }
      return '';
    };
    const wrong = [INDEX + 0x1000n, 1n << 61n, (1n << 63n) | (1n << 48n), 1n << 48n, INDEX + (1n << 48n)];
    expect(wrong.map(codeOf)).toEqual(Array(5).fill('EINVAL'));
    expect(codeOf(INDEX + 5n)).toBe('EEXIST');
  });
});
