import { MemoryKind, QP_TYPES, UAPI } from '@verbena/core';
import { DriverBench, type DriverProgram, type DriverUnderTest, driverSuite } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { ToyWire } from '../toy-hardware.ts';
import { EfaStatus } from './abi.ts';
import { type Datagram, EfaLike } from './kernel.ts';
import { EfaEnd } from './user.ts';

const efaLike: DriverUnderTest = {
  name: 'efa-like',
  plug() {
    const wire = new ToyWire<Datagram>();
    const made = [new EfaLike(wire, 1), new EfaLike(wire, 2)] as [EfaLike, EfaLike];
    const to = { address: new Uint8Array(16).fill(2, 15), port: 0, sgidIndex: 0 };
    const memory = { kind: MemoryKind.ATTACHMENT, index: 0, offset: 0, length: 512 };
    const pd = (program: DriverProgram) => program.make('PD.ALLOC');
    return {
      drivers: made,
      run: () => run(wire),
      again: () => made[made.push(new EfaLike(wire, 1)) - 1]!,
      held: () => made.reduce((sum, one) => sum + one.memory.held, 0),
      recipes: {
        'CQ.CREATE': () => ({ input: { entries: 16 } }),
        'AH.CREATE': (program) => ({ input: { pd: pd(program), to } }),
        'MR.REG': (program) => ({ input: { pd: pd(program), memory, access: 1 }, attachments: [new Uint8Array(512)] }),
        'QP.CREATE': (program) => ({
          input: { pd: pd(program), type: QP_TYPES.DRIVER, sendCq: program.make('CQ.CREATE') },
        }),
      },
      talk: connected,
      trespass(a, b) {
        const [near, far] = connected(a, b);
        const secret = new Uint8Array(2048).fill(77);
        const [fromA, inB] = [near.register(a.make('PD.ALLOC'), secret), far.register(b.make('PD.ALLOC'), secret)];
        near.send(new Uint8Array(100).fill(1), fromA); // out of a foreign domain
        run(wire);
        const leaked = far.receive();
        near.receive();
        expect(near.statuses).toEqual([EfaStatus.PROTECTION]);
        for (let i = 0; i < 20; i++) {
          far.receiveInto(inB, 0); // into a foreign domain, behind the receives that are there
          near.send(Uint8Array.of(i));
          run(wire);
        }
        return leaked !== undefined || secret.some((byte) => byte !== 77);
      },
    };
  },
};

function connected(a: DriverProgram, b: DriverProgram, type?: number): readonly [EfaEnd, EfaEnd] {
  const [near, far] = [new EfaEnd(a, type), new EfaEnd(b, type)];
  near.connect(2, far.qpn);
  far.connect(1, near.qpn);
  return [near, far];
}

function run(wire: ToyWire<Datagram>): void {
  for (let i = 0; i < 4; i++) wire.run();
}

driverSuite(efaLike, { describe, it });

describe('efa-like: a device with a queue kind of its own fits (R169 R072 R076)', () => {
  const bench = () => {
    const made = new DriverBench(efaLike);
    return { bench: made, a: made.program(0), b: made.program(1), run: made.pair.run };
  };

  it('SRD is reliable and keeps no order; its queues lie in mapped memory of the device (R169 R144 R076)', () => {
    const { bench: made, a, b, run: go } = bench();
    const [near, far] = connected(a, b);
    for (let i = 1; i <= 3; i++) near.send(Uint8Array.from({ length: i }, () => i));
    go();
    // what waited together arrives the last one first: a program must not count on any order
    const got = [far.receive(), far.receive(), far.receive()].map((one) => one?.length);
    expect(got).toEqual([3, 2, 1]);
    near.receive();
    expect(near.statuses).toEqual([0, 0, 0]);
    // more than there are receives: they wait at the sender, and none is lost
    for (let i = 0; i < 20; i++) near.send(Uint8Array.of(i));
    go();
    let count = 0;
    for (let i = 0; i < 40; i++) {
      if (far.receive() !== undefined) count++;
      go();
    }
    expect(count).toBe(20);
    made.end();
  });

  it('UD drops what nobody has a receive for, and says nothing (R169)', () => {
    const { bench: made, a, b, run: go } = bench();
    const [near, far] = connected(a, b, QP_TYPES.UD);
    for (let i = 0; i < 20; i++) near.send(Uint8Array.of(i));
    go();
    let count = 0;
    for (; far.receive() !== undefined; go()) count++;
    near.receive();
    expect(count).toBe(16);
    expect(near.statuses).toEqual(Array(20).fill(EfaStatus.SUCCESS));
    made.end();
  });

  it('rings by call where no page is mapped (R145)', () => {
    const { bench: made, a, b, run: go } = bench();
    const [near, far] = connected(a, b);
    near.send(Uint8Array.of(5), undefined, () => {});
    go();
    expect(far.receive()).toBeUndefined();
    near.kick();
    go();
    expect(far.receive()).toEqual(Uint8Array.of(5));
    b.call('DEVICE.KICK', { slot: 99 }); // nothing rings there, and nothing happens
    made.end();
  });

  it('driver data that it does not know is refused: unknown bits, kinds, and longer structures (R012 R066 R071)', () => {
    const { bench: made, a } = bench();
    const [pd, sendCq] = [a.make('PD.ALLOC'), a.make('CQ.CREATE')];
    const zero = { compMask: 0, kind: 0, flags: 0, reserved: 0 };
    const create = (efa: object) => a.call('QP.CREATE', { pd, type: QP_TYPES.DRIVER, sendCq, efa });
    for (const wrong of [{ compMask: 1 }, { kind: 1 }, { flags: 0x8000_0000 }, { reserved: 7 }]) {
      expect(() => create({ ...zero, ...wrong })).toThrowError(/EOPNOTSUPP/);
    }
    expect(create(zero).qpnGiven).toBeGreaterThan(0);
    // kinds that many vendors share have names, also those that this device lacks; others do not exist
    for (const type of [QP_TYPES.RC, QP_TYPES.RU, 99]) {
      expect(() => a.call('QP.CREATE', { pd, type, sendCq })).toThrowError(/EOPNOTSUPP/);
    }
    made.end();
  });

  it('it has no remote keys: remote rights are refused, and RDMA read is a capability that it lacks (R169)', () => {
    const { bench: made, a } = bench();
    const memory = { kind: MemoryKind.ATTACHMENT, index: 0, offset: 0, length: 64 };
    const reg = (access: number) => a.call('MR.REG', { pd: a.make('PD.ALLOC'), memory, access }, [new Uint8Array(64)]);
    expect(() => reg(1 | 2)).toThrowError(/EOPNOTSUPP/);
    expect(() => reg(4)).toThrowError(/EOPNOTSUPP/);
    expect(reg(1).rkey).toBe(0n);
    expect(a.call('DEVICE.QUERY').attributes).toMatchObject({ rdmaRead: false });
    made.end();
  });

  it('numbers of its attributes do not clash with those of the core (R056)', () => {
    const own = Object.values(new EfaLike(new ToyWire(), 1).attributes).flatMap((one) => Object.values(one));
    const core = Object.values(UAPI).flatMap((one) =>
      Object.values(one.methods).flatMap((m) => Object.values(m.attributes)),
    );
    for (const { id } of own) expect(core.some((one) => (one as { id: number }).id === id)).toBe(false);
  });
});
