import { describe, expect, it } from 'vitest';
import type { TransportAttributes } from '../engine/engine.ts';
import { loop } from '../transports/loop/index.ts';
import { Rig, type RigDevice } from './device-rig.testdata.ts';
import type { QueuePair, QueuePairOptions } from './queue-pair.ts';
import type { QueuePairChange } from './queue-pair-state.ts';
import { RemoteMemory } from './remote-memory.ts';

const RIGHTS = ['local-write', 'remote-write', 'remote-read'] as const;
/** The toy transport does not look at kinds, so it can stand for one that has datagrams too. */
const DATAGRAMS = {
  ...loop,
  attributes: { ...loop.attributes, queuePairTypes: ['UD', 'UC'] } satisfies TransportAttributes,
};

function end(device: RigDevice, options: Partial<QueuePairOptions> = {}) {
  const context = device.device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const qp = pd.createQueuePair({ type: 'RC', sendCq: cq, recvCq: cq, sendDepth: 8, receiveDepth: 8, ...options });
  const region = pd.registerMemory(context.allocate(4096), { access: RIGHTS });
  const statuses = () => {
    const list: string[] = [];
    for (let one = cq.take(); one !== undefined; one = cq.take()) list.push(`${one.opcode} ${one.id} ${one.status}`);
    return list;
  };
  return { device, context, pd, cq, qp, region, remote: new RemoteMemory(region.rkey), statuses };
}
type End = ReturnType<typeof end>;

function ends(transport = loop, options: Partial<QueuePairOptions> = {}) {
  const rig = new Rig();
  const [a, b, c] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) =>
    end(rig.device(address, { transport }), options),
  ) as [End, End, End];
  return { rig, a, b, c };
}

const INIT = { state: 'INIT', pkeyIndex: 0, port: 1, access: ['remote-write', 'remote-read'] } as const;
const rtr = (address: string, destQpn: number): QueuePairChange => ({
  ...{ state: 'RTR', peer: { address }, destQpn, pathMtu: 3, rqPsn: 0, maxDestRdAtomic: 1, minRnrTimer: 12 },
});
const RTS = { state: 'RTS', sqPsn: 0, timeout: 14, retryCount: 7, rnrRetry: 7, maxRdAtomic: 1 } as const;

function connect(one: End, address: string, qpn: number, qp: QueuePair = one.qp): void {
  qp.modify(INIT);
  qp.modify(rtr(address, qpn));
  qp.modify(RTS);
}

function connected() {
  const all = ends();
  connect(all.a, '10.0.0.2', all.b.qp.qpn);
  connect(all.b, '10.0.0.1', all.a.qp.qpn);
  return all;
}

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
  return '';
};

describe('kind and protocol are separate choices (R018 R055)', () => {
  it('a transport carries RC and RU, made by the same call, and bytes move on both', () => {
    const { rig, a, b } = connected();
    expect(a.device.device.attributes.queuePairTypes).toEqual(['RU', 'RC']);
    a.region.bytes.fill(7);
    b.qp.postReceive({ id: 1, region: b.region, length: 2000 });
    a.qp.post({ opcode: 'send', id: 2, region: a.region, length: 2000 });
    a.qp.post({ opcode: 'write', id: 3, region: a.region, length: 10, remote: b.remote, remoteOffset: 4000 });
    a.qp.post({
      opcode: 'read',
      id: 4,
      region: a.region,
      offset: 100,
      length: 10,
      remote: b.remote,
      remoteOffset: 3000,
    });
    rig.turn();
    expect(a.statuses()).toEqual(['send 2 SUCCESS', 'write 3 SUCCESS', 'read 4 SUCCESS']);
    expect(b.statuses()).toEqual(['recv 1 SUCCESS']);
    expect([b.region.bytes[1999], b.region.bytes[2000], b.region.bytes[4009], a.region.bytes[105]]).toEqual([
      7, 0, 7, 0,
    ]);
    const jobs = [a, b].map(({ context, pd }) => pd.createJobKey(context.createJob({ id: 7 })));
    const [ua, ub] = [a, b].map(({ pd, cq }, i) =>
      pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey: jobs[i]! }),
    ) as [QueuePair, QueuePair];
    ub.postReceive({ id: 5, region: b.region });
    const to = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: ub.qpn });
    ua.post({ opcode: 'send', id: 6, to, region: a.region, length: 1 });
    rig.turn();
    expect([...a.statuses(), ...b.statuses()]).toEqual(['send 6 SUCCESS', 'recv 5 SUCCESS']);
  });

  it('a connected queue pair serves its peer and nobody else, and requests name no address', () => {
    const { rig, b, c } = connected();
    connect(c, '10.0.0.2', b.qp.qpn);
    b.qp.postReceive({ id: 1, region: b.region });
    c.qp.post({ opcode: 'send', id: 2 });
    rig.turn();
    expect([c.statuses(), b.statuses()]).toEqual([['send 2 REM_INV_RD_REQ_ERR'], []]);
    expect(b.qp.state).toBe('RTS');
    const to = b.pd.createAddressHandle({ address: '10.0.0.1' });
    expect(code(() => b.qp.post({ opcode: 'send', to }))).toBe('EINVAL');
    expect(code(() => b.qp.post({ opcode: 'send', qpn: 5 }))).toBe('EINVAL');
  });
});

describe('states are honoured on the data path (verbs/2.1)', () => {
  it('RESET takes nothing, INIT receives, RTR serves peers, RTS sends', () => {
    const { rig, a, b } = ends();
    expect([b.qp.state, b.qp.query().state]).toEqual(['RESET', 'RESET']);
    expect([code(() => b.qp.post({ opcode: 'send' })), code(() => b.qp.postReceive({}))]).toEqual(['EINVAL', 'EINVAL']);
    connect(a, '10.0.0.2', b.qp.qpn);
    b.qp.modify(INIT);
    b.qp.postReceive({ id: 1, region: b.region });
    expect(code(() => b.qp.post({ opcode: 'send' }))).toBe('EINVAL');
    rig.turn();
    expect(b.statuses()).toEqual([]);
    b.qp.modify(rtr('10.0.0.1', a.qp.qpn));
    a.qp.post({ opcode: 'send', id: 2, region: a.region, length: 5 });
    rig.turn();
    expect([...a.statuses(), ...b.statuses()]).toEqual(['send 2 SUCCESS', 'recv 1 SUCCESS']);
    expect(code(() => b.qp.post({ opcode: 'send' }))).toBe('EINVAL');
    b.qp.modify(RTS);
    expect(b.qp.query()).toMatchObject({ state: 'RTS', type: 'RC', access: ['remote-write', 'remote-read'] });
    expect(b.qp.query().attributes).toMatchObject({ peer: '10.0.0.1', dest_qpn: a.qp.qpn, timeout: 14, path_mtu: 3 });
  });

  it('before RTR peers are told that nobody is there', () => {
    const { rig, a, b } = ends();
    connect(a, '10.0.0.2', b.qp.qpn);
    b.qp.modify(INIT);
    b.qp.postReceive({ region: b.region });
    a.qp.post({ opcode: 'send', id: 1 });
    rig.turn();
    expect(a.statuses()).toEqual(['send 1 REM_INV_RD_REQ_ERR']);
  });

  it('SQD finishes what is under way, keeps what is posted, and says when it is drained', () => {
    const { rig, a, b } = connected();
    for (let id = 0; id < 4; id++) b.qp.postReceive({ id, region: b.region });
    a.qp.post({ opcode: 'send', id: 1, region: a.region, length: 4000 });
    a.qp.post({ opcode: 'send', id: 2, region: a.region, length: 4000 });
    a.device.port.progress(); // the first is on its way
    a.qp.modify({ state: 'SQD', notifyDrained: true });
    a.qp.post({ opcode: 'send', id: 3 });
    expect(a.context.takeEvents().events).toEqual([]);
    rig.turn();
    expect(a.statuses()).toEqual(['send 1 SUCCESS']);
    expect(a.context.takeEvents().events.map(({ name, object }) => [name, object === a.qp])).toEqual([
      ['SQ_DRAINED', true],
    ]);
    a.qp.modify({ state: 'RTS' });
    rig.turn();
    expect(a.statuses()).toEqual(['send 2 SUCCESS', 'send 3 SUCCESS']);
  });

  it('RC goes to ERR when a request fails, and what follows is flushed', () => {
    const { rig, a, b } = connected();
    a.qp.post({ opcode: 'write', id: 1, region: a.region, length: 8, remote: new RemoteMemory(5n) });
    for (let id = 2; id < 4; id++) a.qp.post({ opcode: 'write', id, region: a.region, length: 8, remote: b.remote });
    a.region.bytes.fill(9);
    rig.turn();
    expect(a.statuses()).toEqual(['write 1 REM_ACCESS_ERR', 'write 2 WR_FLUSH_ERR', 'write 3 WR_FLUSH_ERR']);
    expect(b.region.bytes.some((byte) => byte !== 0)).toBe(false);
    expect([a.qp.state, b.qp.state]).toEqual(['ERR', 'ERR']);
    const names = ({ context }: End) => context.takeEvents().events.map(({ name }) => name);
    expect([names(a), names(b)]).toEqual([['QP_FATAL'], ['QP_ACCESS_ERR', 'QP_FATAL']]);
    // the same objects work again after RESET
    for (const one of [a, b]) one.qp.modify({ state: 'RESET' });
    connect(a, '10.0.0.2', b.qp.qpn);
    connect(b, '10.0.0.1', a.qp.qpn);
    a.qp.post({ opcode: 'write', id: 4, region: a.region, length: 8, remote: b.remote });
    rig.turn();
    expect(a.statuses()).toEqual(['write 4 SUCCESS']);
    expect(b.region.bytes[7]).toBe(9);
  });

  it('UD goes to SQE: sends are flushed, receives go on', () => {
    const { rig, a, b } = ends(DATAGRAMS, { type: 'UD' });
    for (const { qp } of [a, b]) {
      qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, qkey: 1 });
      qp.modify({ state: 'RTR' });
      qp.modify({ state: 'RTS', sqPsn: 0 });
    }
    const jobKey = a.pd.createJobKey(a.context.createJob({ id: 7 }));
    const backKey = b.pd.createJobKey(b.context.createJob({ id: 7 }));
    const to = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: b.qp.qpn });
    const back = b.pd.createAddressHandle({ address: '10.0.0.1', qpn: a.qp.qpn });
    const nobody = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: b.qp.qpn ^ 0x5000 });
    a.qp.post({ opcode: 'write', id: 9, to, jobKey, region: a.region, length: 1, remote: b.remote });
    rig.turn();
    expect([a.statuses(), a.qp.state]).toEqual([['write 9 LOC_QP_OP_ERR'], 'SQE']);
    a.qp.modify({ state: 'RTS' });
    a.qp.post({ opcode: 'send', id: 1, to: nobody, jobKey });
    rig.turn();
    expect(a.qp.state).toBe('SQE');
    a.qp.post({ opcode: 'send', id: 2, to, jobKey });
    a.qp.postReceive({ id: 3, region: a.region });
    b.qp.post({ opcode: 'send', id: 4, to: back, jobKey: backKey });
    rig.turn();
    expect(a.statuses().map((text) => text.split(' ').slice(1).join(' '))).toEqual([
      ...['1 REM_INV_RD_REQ_ERR', '2 WR_FLUSH_ERR', '3 SUCCESS'],
    ]);
    a.qp.modify({ state: 'RTS', currentState: 'SQE' });
    b.qp.postReceive({ id: 5, region: b.region });
    a.qp.post({ opcode: 'send', id: 6, to, jobKey });
    rig.turn();
    expect(a.statuses()).toEqual(['send 6 SUCCESS']);
  });
});

describe('modify', () => {
  it('does all or nothing, and names what is missing or not allowed', () => {
    const { a, b } = ends();
    const before = a.qp.query();
    for (const change of [
      { state: 'INIT', pkeyIndex: 0, port: 1 },
      { ...INIT, qkey: 1 },
      { ...INIT, port: 2 },
      { ...INIT, pkeyIndex: 1 },
      { ...INIT, currentState: 'RTS' },
      { state: 'RTS', sqPsn: 0 },
      { state: 'SOMEWHERE' as 'RTS' },
    ] as const) {
      expect(
        code(() => a.qp.modify(change)),
        JSON.stringify(change),
      ).toBe('EINVAL');
      expect(a.qp.query()).toEqual(before);
    }
    try {
      a.qp.modify({ state: 'INIT', port: 1, qkey: 1 });
      expect.unreachable();
    } catch (thrown) {
      expect((thrown as { explain(): string }).explain()).toMatch(/missing +pkeyIndex, accessFlags/);
    }
    a.qp.modify(INIT);
    const { pathMtu, ...withoutMtu } = rtr('10.0.0.2', b.qp.qpn);
    expect(pathMtu).toBe(3);
    expect(code(() => a.qp.modify(withoutMtu))).toBe('EINVAL');
    expect(code(() => a.qp.modify({ ...withoutMtu, pathMtu: 9 }))).toBe('EINVAL');
    expect(a.qp.query().attributes).not.toHaveProperty('peer');
    // a step that fails inside leaves it where it was
    a.device.system.inject = (step) => {
      if (step === 'engine') throw new Error('no');
    };
    expect(code(() => a.qp.modify(rtr('10.0.0.2', b.qp.qpn)))).toBe('EIO');
    a.device.system.inject = undefined;
    expect([a.qp.state, a.qp.query().state]).toEqual(['INIT', 'INIT']);
    a.qp.modify(rtr('10.0.0.2', b.qp.qpn));
    expect(a.qp.query().state).toBe('RTR');
  });

  it('what is outstanding is never lost in silence on the way to RESET', () => {
    const { rig, a } = connected();
    a.qp.postReceive({ id: 1 });
    a.qp.post({ opcode: 'send', id: 2 });
    a.qp.modify({ state: 'RESET' });
    rig.turn();
    expect(a.statuses().sort()).toEqual(['recv 1 WR_FLUSH_ERR', 'send 2 WR_FLUSH_ERR']);
    expect([a.qp.sendSpace, a.qp.receiveSpace]).toEqual([8, 8]);
  });
});
