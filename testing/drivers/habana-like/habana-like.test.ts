import { DriverBench, type DriverProgram, type DriverUnderTest, driverSuite } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { Bells, PAGE, Queue, ToyWire } from '../toy-hardware.ts';
import { Operation } from './abi.ts';
import { type Burst, ComputeDevice, HabanaLike } from './kernel.ts';
import { HabanaEnd } from './user.ts';

const [COMPUTE, OTHER] = [new ComputeDevice(), new ComputeDevice()];

const habanaLike: DriverUnderTest = {
  name: 'habana-like',
  plug() {
    const wire = new ToyWire<Burst>();
    const made = [new HabanaLike(wire, 1), new HabanaLike(wire, 2)] as [HabanaLike, HabanaLike];
    return {
      drivers: made,
      run: () => {
        for (let i = 0; i < 4; i++) wire.run();
      },
      again: () => made[made.push(new HabanaLike(wire, 1)) - 1]!,
      held: () => made.reduce((sum, one) => sum + one.memory.held, 0) + COMPUTE.links + OTHER.links,
      opening: (which) => ({ input: { link: 0 }, attachments: [which === 0 ? COMPUTE : OTHER] }),
      recipes: {
        'HL_PORT.SETUP': () => ({ input: { peer: 2, peerFifo: 1 } }),
        'HL_FIFO.ALLOC': (program) => ({ input: { port: program.make('HL_PORT.SETUP') } }),
      },
      talk(a: DriverProgram, b: DriverProgram) {
        const [near, far] = [new HabanaEnd(a, COMPUTE.memory, 2), new HabanaEnd(b, OTHER.memory, 1)];
        near.connect(far.number);
        far.connect(near.number);
        return [near, far];
      },
    };
  },
};

driverSuite(habanaLike, {
  ...{ describe, it },
  skip: [
    {
      reason: 'no protection domains: the device serves one program at a time instead',
      cases: ['isolation/memory-of-another-domain-is-out-of-reach'],
    },
  ],
});

describe('habana-like: a device without PD, MR and QP fits (R170 R072)', () => {
  it('has none of the objects that it does not need, and private ones instead (R170 R071 R076)', () => {
    const bench = new DriverBench(habanaLike);
    const kinds = bench.device.methods.objects.map(({ name }) => name);
    for (const absent of ['PD', 'MR', 'QP', 'CQ', 'AH', 'SRQ', 'MW', 'JOB']) expect(kinds).not.toContain(absent);
    expect(kinds).toEqual(expect.arrayContaining(['DEVICE', 'ASYNC_EVENT', 'HL_PORT', 'HL_FIFO']));
    const program = bench.program();
    for (const call of ['PD.ALLOC', 'MR.REG', 'QP.CREATE']) {
      expect(() => program.call(call, {})).toThrowError(/EPROTONOSUPPORT/);
    }
    bench.end();
  });

  it('clients that need verbs do not see it, others do (R015)', () => {
    const bench = new DriverBench(habanaLike);
    const [seen, all]: [string[], string[]] = [[], []];
    bench.system.addClient({ name: 'v', needsVerbs: true, add: ({ name }) => seen.push(name), remove: () => {} });
    bench.system.addClient({ name: 'a', add: ({ name }) => all.push(name), remove: () => {} });
    expect([seen, all]).toEqual([[], ['dut0', 'dut1']]);
    bench.end();
  });

  it('needs a descriptor of its compute device, and lets go of it with the context (R170)', () => {
    const bench = new DriverBench(habanaLike);
    const program = bench.program();
    expect(COMPUTE.links).toBe(1);
    program.call('DEVICE.CLOSE');
    expect(COMPUTE.links).toBe(0);
    const { opening } = bench.pair as { opening: unknown };
    for (const given of [
      { input: {} },
      { input: { link: 0 }, attachments: [] },
      { input: { link: 0 }, attachments: [{ memory: new Uint8Array(9), links: 0 }] }, // looks like one
    ]) {
      Object.assign(bench.pair, { opening: () => given });
      expect(() => program.open()).toThrowError(/EBADF/);
      expect(bench.device.contexts.size).toBe(0);
    }
    Object.assign(bench.pair, { opening });
    program.open();
    bench.end();
  });

  it('the second program is refused until the first one has left, also when that one dies (R107)', () => {
    const bench = new DriverBench(habanaLike);
    const first = bench.program();
    expect(() => bench.program()).toThrowError(/EBUSY.*one program at a time/);
    first.session.close();
    bench.program();
    bench.end();
  });

  it('commands cannot name memory outside of the compute device, nor do what does not exist', () => {
    const bench = new DriverBench(habanaLike);
    const program = bench.program();
    const fifo = program.call('HL_FIFO.ALLOC', { port: program.make('HL_PORT.SETUP') });
    const [commands, completions] = [fifo.commands, fifo.completions].map(
      (offset) => new Queue(program.map(Number(offset), PAGE)),
    ) as [Queue, Queue];
    const size = COMPUTE.memory.length;
    for (const [offset, length] of [
      [size, 1],
      [-1, 8],
      [0, size + 1],
      [8, -1],
    ] as const) {
      commands.push(Operation.SEND, offset, length, 40);
      new Bells(program.map(Number(program.opened.page), PAGE)).ring(Number(fifo.number));
      bench.pair.run();
      expect(completions.take()?.slice(0, 3)).toEqual([Operation.SEND, 40, -1]);
    }
    bench.end();
  });
});
