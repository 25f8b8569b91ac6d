/** The memory of a device: mapped and unmapped by one service, whatever protocol asks. */
import { type AccessRight, RemoteMemory } from '@verbena/core';
import { connect, isConnected, runHosts, SimHost } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { RELIABLE_KINDS, type ReliableKind } from '../reliable-kinds.ts';

const ALL: readonly AccessRight[] = ['local-write', 'remote-write', 'remote-read'];

/** A program with a queue pair on a device of its own. */
function end(host: SimHost, { transport, kind }: ReliableKind, address: string) {
  const device = host.plug('m%d', [{ transport, address }]);
  const context = host.program().open(device.name);
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 16 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const qp = pd.createQueuePair({ type: kind, sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
  return { context, pd, cq, qp, dma: host.of(device).dma };
}

function setup(carried: ReliableKind) {
  const host = new SimHost({ seed: 5 });
  const [near, far] = [end(host, carried, '10.0.0.1'), end(host, carried, '10.0.0.2')];
  let where = {};
  if (isConnected(carried.kind)) {
    connect(near.qp, { address: '10.0.0.2', qpn: far.qp.qpn, sqPsn: 1, rqPsn: 2 });
    connect(far.qp, { address: '10.0.0.1', qpn: near.qp.qpn, sqPsn: 2, rqPsn: 1 });
  } else where = { to: near.pd.createAddressHandle({ address: '10.0.0.2', qpn: far.qp.qpn }) };
  const status = () => {
    let found = '';
    runHosts(
      [host],
      () => {
        found ||= near.cq.take()?.status ?? '';
        return found !== '';
      },
      60e9,
    );
    return found;
  };
  return { host, near, far, where, status };
}

describe.each(RELIABLE_KINDS)('memory of a device that speaks $transport.name, by $kind', (carried) => {
  it('use after unmapping is found by the service, and reported by the protocol (R133 R140)', () => {
    const { near, far, where, status } = setup(carried);
    const source = near.pd.registerMemory(near.context.allocate(64).fill(9), { access: ALL });
    const before = far.dma.regions;
    const bytes = far.context.allocate(4096);
    const region = far.pd.registerMemory(bytes, { access: ALL });
    expect(far.dma.regions).toBe(before + 1);
    const remote = new RemoteMemory(region.rkey);
    near.qp.post({ opcode: 'write', ...where, region: source, remote });
    expect(status()).toBe('SUCCESS');
    expect(bytes.subarray(0, 64).every((byte) => byte === 9)).toBe(true);

    region.deregister();
    expect(far.dma.regions).toBe(before);
    bytes.fill(1);
    near.qp.post({ opcode: 'write', ...where, region: source, remote });
    expect(status()).toBe('REM_ACCESS_ERR');
    expect(bytes.every((byte) => byte === 1)).toBe(true);
  });

  it('a region that is unmapped under a transfer stops it, and the next owner of its place is safe (R133)', () => {
    const { host, near, far, where, status } = setup(carried);
    const source = near.pd.registerMemory(near.context.allocate(1 << 20).fill(9), { access: ALL });
    const bytes = far.context.allocate(1 << 20);
    const region = far.pd.registerMemory(bytes, { access: ALL });
    near.qp.post({ opcode: 'write', ...where, region: source, remote: new RemoteMemory(region.rkey) });
    for (let i = 0; i < 1000 && bytes[0] !== 9; i++) host.step();
    expect(bytes[0]).toBe(9);
    expect(bytes.at(-1)).toBe(0);
    region.deregister();
    const snapshot = bytes.slice();
    const next = far.context.allocate(1 << 20);
    far.pd.registerMemory(next, { access: ALL });
    expect(status()).toBe('REM_ACCESS_ERR');
    expect(Buffer.compare(bytes, snapshot)).toBe(0);
    expect(next.every((byte) => byte === 0)).toBe(true);
  });
});
