import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTransport, SeededRandom, TRANSPORTS } from '@verbena/core';
import { DriverBench, driverSuite, SimHost, softUnderTest } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { PAGE } from '../toy-hardware.ts';
import { FirmwareStatus, Operation, words, wordsOf } from './abi.ts';
import { board, Mlx5Like, PROTOCOLS } from './kernel.ts';

const KERNEL = new URL('./kernel.ts', import.meta.url);

function underTest(made: Mlx5Like[] = []) {
  const soft = softUnderTest(findTransport(PROTOCOLS[0]!)!, ({ kernel }) => made[made.push(new Mlx5Like(kernel)) - 1]!);
  return {
    name: 'mlx5-like',
    plug() {
      const pair = soft.plug();
      return {
        ...pair,
        held: () => pair.held() + made.reduce((sum, one) => sum + one.memory.held, 0),
        recipes: {
          ...pair.recipes,
          'DEVX_OBJ.CREATE': () => ({ input: { command: words(Operation.CREATE, 0, 5) } }),
          'UAR.ALLOC': () => ({ input: {} }),
        },
      };
    },
  };
}

driverSuite(underTest(), { describe, it });

describe('mlx5-like: many objects of its own beside verbs (R171 R071 R073)', () => {
  const bench = () => {
    const made: Mlx5Like[] = [];
    const one = new DriverBench(underTest(made));
    return { bench: one, firmware: made[0]!.firmware };
  };
  const command = (program: ReturnType<DriverBench['program']>, ...list: number[]) =>
    wordsOf(program.call('DEVX.OTHER', { command: words(...list) }).answer as Uint8Array);

  it('leftovers of firmware objects are ended when the program dies (R171)', () => {
    const { bench: one, firmware } = bench();
    const program = one.program();
    for (let i = 0; i < 50; i++) program.make('DEVX_OBJ.CREATE');
    program.make('UAR.ALLOC');
    expect([firmware.objects.size, firmware.uars.size]).toEqual([50, 1]);
    program.session.close();
    expect([firmware.objects.size, firmware.uars.size]).toEqual([0, 0]);
    one.end();
  });

  it('commands are tagged: another program cannot reach the object, whatever number it names (R171)', () => {
    const { bench: one } = bench();
    const [mine, theirs] = [one.program(), one.program()];
    const made = wordsOf(mine.call('DEVX_OBJ.CREATE', { command: words(Operation.CREATE, 0, 7) }).answer as Uint8Array);
    const id = made[1]!;
    expect(command(mine, Operation.QUERY, id, 0)).toEqual(Uint32Array.of(FirmwareStatus.OK, 7, 0));
    for (const operation of [Operation.QUERY, Operation.MODIFY, Operation.DESTROY]) {
      expect(command(theirs, operation, id, 99)[0]).toBe(FirmwareStatus.NO_OBJECT);
    }
    expect(command(mine, Operation.QUERY, id, 0)[1]).toBe(7);
    expect(command(mine, 77, id, 0)[0]).toBe(FirmwareStatus.BAD_OPERATION);
    // nothing is made behind the back of the core
    expect(() => command(mine, Operation.CREATE, 0, 1)).toThrowError(/EINVAL/);
    expect(() => mine.call('DEVX_OBJ.CREATE', { command: words(Operation.QUERY, id, 0) })).toThrowError(/EINVAL/);
    one.end();
  });

  it('an object that the program ended by a command of its own does not stop anything', () => {
    const { bench: one } = bench();
    const program = one.program();
    const { handle, answer } = program.call('DEVX_OBJ.CREATE', { command: words(Operation.CREATE, 0, 7) });
    expect(command(program, Operation.DESTROY, wordsOf(answer as Uint8Array)[1]!, 0)[0]).toBe(FirmwareStatus.OK);
    program.destroy('DEVX_OBJ', Number(handle));
    one.end();
  });

  it('a UAR is mapped by the common service, rings, and is cut by a removal (R141 R142 R073)', () => {
    const { bench: one, firmware } = bench();
    const [program, other] = [one.program(), one.program()];
    const { answer } = program.call('DEVX_OBJ.CREATE', { command: words(Operation.CREATE, 0, 7) });
    const id = wordsOf(answer as Uint8Array)[1]!;
    const [page, foreign] = [program, other].map((who) => {
      const bytes = who.map(Number(who.call('UAR.ALLOC').offset), PAGE);
      return new Int32Array(bytes.buffer);
    }) as [Int32Array, Int32Array];
    const ring = (from: Int32Array) => {
      Atomics.store(from, 0, id);
      firmware.step();
    };
    ring(page);
    ring(foreign); // not its object
    expect(command(program, Operation.QUERY, id, 0)[2]).toBe(1);
    one.system.remove(one.device);
    ring(page); // memory that nobody looks at
    expect(firmware.objects.size + firmware.uars.size).toBe(0);
    one.end();
  });
});

describe('mlx5-like gains a protocol (R007 R002)', () => {
  it('by one line of its own file; core, other drivers and programs stay as they are', async () => {
    const source = readFileSync(KERNEL, 'utf8');
    const line = "readonly string[] = ['loop'];";
    expect(source.split(line)).toHaveLength(2);
    const folder = mkdtempSync(join(tmpdir(), 'verbena-mlx5-'));
    try {
      const changed = source
        .replace(line, "readonly string[] = ['loop', 'uet'];")
        .replaceAll(/from '(\.\.?\/[^']*)'/g, (_, path) => `from '${new URL(path, KERNEL).pathname}'`);
      writeFileSync(join(folder, 'kernel.ts'), changed);
      const grown = (await import(join(folder, 'kernel.ts'))) as typeof import('./kernel.ts');
      expect(await talks({ board, Mlx5Like })).toEqual(['loop']);
      expect(await talks(grown)).toEqual(['loop', 'uet']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Protocols over which two such devices really exchange messages, by address entry. */
async function talks(kernel: Pick<typeof import('./kernel.ts'), 'board' | 'Mlx5Like'>): Promise<string[]> {
  const host = new SimHost();
  const boards = [kernel.board(host, '10.0.0.1'), kernel.board(host, '10.0.0.2')];
  for (const [index, { kernel: soft }] of boards.entries()) {
    host.system.register(new kernel.Mlx5Like(soft) as Mlx5Like, { name: `mlx5_${index}` });
  }
  const contexts = boards.map((_, index) => host.program().open(`mlx5_${index}`));
  const random = new SeededRandom(5);
  const done: string[] = [];
  for (const { index: sgidIndex, type } of contexts[0]!.queryPort().gids) {
    const ends = contexts.map((context) => {
      const [pd, cq] = [context.allocatePd(), context.createCompletionQueue({ entries: 16 })];
      const jobKey = pd.createJobKey(context.createJob({ id: 9 + sgidIndex, sgidIndex }));
      const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sgidIndex });
      const memory = pd.registerMemory(context.allocate(3000), { access: ['local-write'] });
      return { pd, cq, qp, memory };
    });
    const [a, b] = ends as [(typeof ends)[0], (typeof ends)[0]];
    for (let i = 0; i < 3000; i++) a.memory.bytes[i] = random.below(256);
    b.qp.postReceive({ region: b.memory });
    const to = a.pd.createAddressHandle({ address: '10.0.0.2', qpn: b.qp.qpn, sgidIndex });
    a.qp.post({ opcode: 'send', to, region: a.memory });
    for (let i = 0; i < 200; i++) {
      for (const { kernel: soft } of boards) soft.step(host.now);
      host.advance(host.now + 10_000);
    }
    const received = b.cq.take();
    const transport = TRANSPORTS.find(({ attributes }) => attributes.addressType === type)!;
    if (received?.ok === true && b.memory.bytes.every((byte, i) => byte === a.memory.bytes[i]))
      done.push(transport.name);
  }
  return done;
}
