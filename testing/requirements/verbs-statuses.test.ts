/** How requests end when something is wrong: what users of verbs know from their hardware. @spec verbs/3.6 */
import { findTransport, type QueuePair, RemoteMemory, type StatusName, type WorkRequest } from '@verbena/core';
import {
  Bed,
  type BedOptions,
  type ConnectionOptions,
  connect,
  datagramQueuePair,
  type End,
  handleOf,
  runHosts,
  type SentPacket,
  SimHost,
} from '@verbena/core/testing';
import { Bth, RoceOpcode } from '@verbena/core/wire';
import { describe, expect, it } from 'vitest';

const roce = findTransport('roce')!;
const ALL = ['local-write', 'remote-write', 'remote-read', 'remote-atomic'] as const;
const PSN = 0x12_3456;
/** 4.096 µs · 2^n. */
const timeoutNs = (code: number): number => 4096 * 2 ** code;

/** Two connected queue pairs of one completion queue per direction each, and what was sent. */
function setup(options: Partial<ConnectionOptions> = {}, bedOptions: Partial<BedOptions> = {}) {
  const packets: SentPacket[] = [];
  const bed = new Bed({
    ...{ transport: roce, seed: 9, ...bedOptions },
    inspect: (packet) => {
      packets.push({ ...packet, bytes: packet.bytes.slice(0, packet.length) });
      return undefined;
    },
  });
  const { a, b } = bed;
  const make = ({ pd, sendCq, recvCq, jobKey }: End): QueuePair =>
    pd.createQueuePair({ type: 'RC', sendCq, recvCq, jobKey, sendDepth: 16, receiveDepth: 16 });
  const [near, far] = [make(a), make(b)];
  connect(near, { address: b.node.address, qpn: far.qpn, sqPsn: PSN, rqPsn: 5 }, options);
  connect(far, { address: a.node.address, qpn: near.qpn, sqPsn: 5, rqPsn: PSN }, options);
  const local = a.pd.registerMemory(a.context.allocate(64).fill(7), { access: ALL });
  const region = b.pd.registerMemory(b.context.allocate(64), { access: ALL });
  const counter = (end: End, name: string) => end.node.kernel.counters()[name] ?? 0;
  return { bed, a, b, near, far, local, region, packets, counter };
}

type Setup = ReturnType<typeof setup>;

/** Writes, reads and adds; each on a connection of its own, as each ends it. */
function statusesOf(prepare: (rig: Setup) => { rkey: bigint; remoteOffset?: number }): StatusName[] {
  return (['write', 'read', 'fetch-add'] as const).map((opcode) => {
    const rig = setup();
    const { bed, a, near, far, local, region } = rig;
    const { rkey, remoteOffset = 0 } = prepare(rig);
    const asked: Pick<WorkRequest, 'add'> = opcode === 'fetch-add' ? { add: 1 } : {};
    near.post({
      ...{ opcode, region: local, offset: 0, length: 8, remote: new RemoteMemory(rkey), remoteOffset },
      ...asked,
    });
    bed.completed(a, 1, 0);
    expect(region.bytes.every((byte) => byte === 0)).toBe(true);
    expect(local.bytes.every((byte) => byte === 7)).toBe(true);
    bed.pass(1e6);
    expect([near.state, far.state]).toEqual(['ERR', 'ERR']);
    bed.close();
    return a.sent[0]!.status;
  });
}

describe('the statuses that verbs users expect (verbs/3.6)', () => {
  it.each<[string, (rig: Setup) => { rkey: bigint; remoteOffset?: number }]>([
    ['a key that there is not', ({ region }) => ({ rkey: region.rkey ^ 0x100n })],
    ['a key of another protection domain', ({ b }) => ({ rkey: regionOf(b, ALL, b.context.allocatePd()).rkey })],
    ['a region without the right', ({ b }) => ({ rkey: regionOf(b, ['local-write']).rkey })],
    ['bounds that are crossed', ({ region }) => ({ rkey: region.rkey, remoteOffset: 64 })],
    ['an address far away', ({ region }) => ({ rkey: region.rkey, remoteOffset: 2 ** 45 })],
    ['a region that is gone', gone],
  ])('%s: REM_ACCESS_ERR, and both ends fail', (_, prepare) => {
    expect(statusesOf(prepare)).toEqual(['REM_ACCESS_ERR', 'REM_ACCESS_ERR', 'REM_ACCESS_ERR']);
  });

  it.each([
    [10, 0],
    [10, 3],
    [12, 7],
    [14, 1],
  ])(
    'a dead peer, time-out 4.096 µs · 2^%i, %i retries: RETRY_EXC_ERR when all are over, and not before',
    (timeout, retryCount) => {
      const { bed, a, b, near, local, region, packets } = setup({ timeout, retryCount });
      b.node.dead = true;
      const start = bed.pump.now;
      near.post({ opcode: 'write', region: local, remote: new RemoteMemory(region.rkey) });
      bed.completed(a, 1, 0);
      expect(a.sent[0]!.status).toBe('RETRY_EXC_ERR');
      expect(packets).toHaveLength(retryCount + 1);
      // the time-out may be up to four times what is asked for
      const waited = (bed.pump.now - start) / ((retryCount + 1) * timeoutNs(timeout));
      expect(waited).toBeGreaterThanOrEqual(1);
      expect(waited).toBeLessThanOrEqual(4);
      bed.close();
    },
  );

  it('a receiver that is not ready, three retries: RNR_RETRY_EXC_ERR after as many waits', () => {
    const { bed, a, b, near, far, local, packets } = setup({ rnrRetry: 3, minRnrTimer: 20 });
    const start = bed.pump.now;
    near.post({ opcode: 'send', region: local });
    bed.completed(a, 1, 0);
    expect(a.sent[0]!.status).toBe('RNR_RETRY_EXC_ERR');
    expect(packets.filter(({ from }) => from === 0)).toHaveLength(4);
    expect(bed.pump.now - start).toBeGreaterThanOrEqual(3 * 10_240_000);
    expect([near.state, far.state, b.received.length]).toEqual(['ERR', 'RTS', 0]);
    bed.close();
  });

  it('the same with retries for ever (7): it waits, and a receive ends it well', () => {
    const { bed, a, b, near, far, local } = setup({ rnrRetry: 7, minRnrTimer: 20, retryCount: 1 });
    near.post({ opcode: 'send', region: local });
    bed.pass(20e9);
    expect([a.sent.length, near.state]).toEqual([0, 'RTS']);
    far.postReceive({ id: 3, region: regionOf(b, ALL) });
    bed.completed(a, 1, 0);
    bed.completed(b, 0, 1);
    expect([a.sent[0]!.status, b.received[0]!.status]).toEqual(['SUCCESS', 'SUCCESS']);
    bed.close();
  });

  it('packets whose ICRC does not fit: dropped under `icrc`, sent again; RETRY_EXC_ERR when none fits', () => {
    const { bed, a, b, near, local, region, counter } = setup({ timeout: 10, retryCount: 2 });
    const request = { opcode: 'write', region: local, remote: new RemoteMemory(region.rkey) } as const;
    bed.pump.setFaults({ corrupt: 1 });
    near.post(request);
    bed.pass(timeoutNs(10) / 2);
    bed.pump.setFaults({ corrupt: 0 });
    bed.completed(a, 1, 0);
    expect([a.sent[0]!.status, counter(b, 'dropped_icrc')]).toEqual(['SUCCESS', 1]);
    expect(region.bytes.every((byte) => byte === 7)).toBe(true);
    bed.pump.setFaults({ corrupt: 1 });
    near.post(request);
    bed.completed(a, 2, 0);
    expect([a.sent[1]!.status, counter(b, 'dropped_icrc')]).toEqual(['RETRY_EXC_ERR', 4]);
    bed.close();
  });

  it.each<[string, number, number, StatusName]>([
    ['the same partition, both full members', 0x8001, 0x8001, 'SUCCESS'],
    ['the same, one of them a limited member', 0x8001, 0x0001, 'SUCCESS'],
    ['the same, both limited members', 0x0001, 0x0001, 'RETRY_EXC_ERR'],
    ['another partition', 0x8001, 0x8002, 'RETRY_EXC_ERR'],
  ])('partition keys, %s', (_, first, second, status) => {
    const { cq, dropped } = partitions(first, second);
    expect(cq.take()?.status).toBe(status);
    expect(dropped() > 0).toBe(status !== 'SUCCESS');
  });

  it('a datagram with another queue key: the sender has SUCCESS, the receiver nothing, and `qkey` is counted', () => {
    const { bed, a, b, local, counter } = setup();
    const [near, far] = [datagramQueuePair(a, 1), datagramQueuePair(b, 2)];
    far.postReceive({ region: regionOf(b, ALL) });
    near.post({ opcode: 'send', to: handleOf(a, b, far), region: local, length: 8 });
    bed.completed(a, 1, 0);
    bed.pass(1e9);
    expect([a.sent[0]!.status, b.received.length, counter(b, 'dropped_qkey')]).toEqual(['SUCCESS', 0, 1]);
    bed.close();
  });

  it('a PSN from the past: acknowledged again, and done only once', () => {
    const { bed, a, b, near, far, local, region, packets, counter } = setup();
    near.post({ opcode: 'write', region: local, length: 8, remote: new RemoteMemory(region.rkey) });
    far.postReceive({ id: 1, region: regionOf(b, ALL) });
    near.post({ opcode: 'send', region: local, length: 8 });
    near.post({ opcode: 'fetch-add', region: local, length: 8, remote: new RemoteMemory(region.rkey, 8), add: 1 });
    bed.completed(a, 3, 0);
    bed.completed(b, 0, 1);
    region.bytes.fill(0);
    far.postReceive({ id: 2, region: regionOf(b, ALL) });
    const requests = packets.filter(({ from }) => from === 0);
    expect(requests).toHaveLength(3);
    const answers = packets.length - requests.length;
    for (const { bytes } of requests) {
      bed.pump.network.inject(bed.pump.now, 0, 1, bytes);
      bed.pass(1e6);
    }
    expect(region.bytes.every((byte) => byte === 0)).toBe(true);
    expect([b.received.length, a.sent.length]).toEqual([1, 3]);
    expect(packets.filter(({ from }) => from === 1)).toHaveLength(answers + 3);
    expect(counter(b, 'dropped_duplicate') + counter(b, 'duplicate_atomics')).toBe(3);
    expect([near.state, far.state]).toEqual(['RTS', 'RTS']);
    bed.close();
  });

  it('a PSN from the future: one NAK says what is missing, and the connection recovers', () => {
    const { bed, a, b, near, far, local, region, packets, counter } = setup();
    const request = { opcode: 'write', region: local, length: 8, remote: new RemoteMemory(region.rkey) } as const;
    near.post(request);
    bed.completed(a, 1, 0);
    const early = packets[0]!.bytes.slice();
    const view = new DataView(early.buffer);
    for (const ahead of [3, 4, 5]) {
      Bth.psn.set(view, 0, PSN + ahead);
      bed.pump.network.inject(bed.pump.now, 0, 1, early);
      bed.pass(1e5);
    }
    const naks = packets.filter(
      ({ from, bytes }) => from === 1 && bytes[0] === RoceOpcode.RC_ACKNOWLEDGE && bytes[12]! >> 5 === 3,
    );
    expect(naks.map(({ bytes }) => [bytes[12]! & 31, Bth.psn.get(new DataView(bytes.buffer), 0)])).toEqual([
      [0, PSN + 1],
    ]);
    expect(counter(b, 'dropped_sequence')).toBe(3);
    for (let i = 0; i < 8; i++) near.post(request);
    bed.completed(a, 9, 0);
    expect(new Set(a.sent.map(({ status }) => status))).toEqual(new Set(['SUCCESS']));
    expect([near.state, far.state]).toEqual(['RTS', 'RTS']);
    bed.close();
  });
});

const regionOf = ({ context, pd }: End, access: readonly (typeof ALL)[number][], domain = pd) =>
  domain.registerMemory(context.allocate(64), { access });

function gone({ region }: Setup): { rkey: bigint } {
  const { rkey } = region;
  region.deregister();
  return { rkey };
}

/** A write between devices whose ports have partition keys of their own. */
function partitions(first: number, second: number) {
  const host = new SimHost({ seed: 4 });
  const addresses = ['10.0.0.1', '10.0.0.2'];
  const devices = [first, second].map((pkey, i) =>
    host.plug('p%d', [{ transport: roce, address: addresses[i]!, settings: { pkey } }]),
  );
  const [near, far] = devices.map((device) => {
    const context = host.program().open(device.name);
    const [pd, cq] = [context.allocatePd(), context.createCompletionQueue({ entries: 16 })];
    const qp = pd.createQueuePair({ type: 'RC', sendCq: cq, recvCq: cq, sendDepth: 4, receiveDepth: 4 });
    return { cq, qp, region: pd.registerMemory(context.allocate(64), { access: ALL }) };
  }) as [Partition, Partition];
  connect(near.qp, { address: addresses[1]!, qpn: far.qp.qpn, sqPsn: 1, rqPsn: 2 }, { timeout: 8, retryCount: 2 });
  connect(far.qp, { address: addresses[0]!, qpn: near.qp.qpn, sqPsn: 2, rqPsn: 1 });
  near.qp.post({ opcode: 'write', region: near.region, remote: new RemoteMemory(far.region.rkey) });
  runHosts([host], () => false, 1e9);
  const { kernel } = host.of(devices[1]!);
  return { cq: near.cq, dropped: () => kernel.counters().dropped_pkey ?? 0 };
}

interface Partition {
  readonly cq: End['sendCq'];
  readonly qp: QueuePair;
  readonly region: ReturnType<End['pd']['registerMemory']>;
}
