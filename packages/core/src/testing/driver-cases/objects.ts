/** Objects: made, needed by each other, ended; and calls that fail half-way. */
import type { DeviceObject } from '../../device/device-object.ts';
import type { DriverBench, DriverProgram } from '../driver-bench.ts';
import { check, checkEqual, checkThrows } from '../suite-case.ts';
import { type DriverCase, driverCase, makeAll } from './driver-case.ts';

export const OBJECT_CASES: readonly DriverCase[] = [
  driverCase('objects/each-kind-is-made-listed-and-ended', 'R038 R164', (bench) => {
    const program = bench.program();
    for (const { name, makes } of bench.makers()) {
      const handle = program.make(name);
      check(program.handles(makes!).includes(handle), `${name}: the handle is not among those of the context`);
      const { id } = program.object(handle)!;
      const row = [...bench.device.rows(makes!.name)].find((one) => one.id === id);
      checkEqual(row?.pid as number, program.session.credentials.pid, `${name}: pid in the listing`);
      const before = bench.device.objects(makes!.name).size;
      program.destroy(makes!.name, handle);
      checkEqual(bench.device.objects(makes!.name).size, before - 1, `${name}: objects after its end`);
      checkThrows('ENOENT', () => program.destroy(makes!.name, handle));
    }
  }),

  driverCase('objects/what-is-needed-answers-EBUSY-and-stays', 'R047', (bench) => {
    const program = bench.program();
    let pairs = 0;
    for (const { name } of bench.makers()) {
      const object = program.object(program.make(name))!;
      for (const needed of [...object.needs]) {
        const uses = needed.uses;
        checkThrows('EBUSY', () => program.destroy(needed.kind, needed.handle));
        checkEqual(needed.uses, uses, `uses of the ${needed.kind} that ${name} needs`);
        checkEqual(needed.live, true, `the ${needed.kind} lives`);
        pairs++;
      }
      if (object.needs.length === 0) continue;
      const [needed] = object.needs;
      const uses = needed!.uses;
      program.destroy(object.kind, object.handle);
      checkEqual(needed!.uses, uses - 1, `uses of the ${needed!.kind} afterwards`);
    }
    check(pairs > 0, 'no object of the driver needs another');
  }),

  driverCase('objects/closing-ends-the-newest-first', 'R048', (bench) => {
    const program = bench.program();
    makeAll(program);
    makeAll(program);
    const order = endings(bench, () => program.session.close());
    const sorted = [...order].sort((a, b) => b.born - a.born);
    check(order.length > 0, 'nothing was ended');
    checkEqual(order.map(nameOf), sorted.map(nameOf), 'order of endings');
  }),

  driverCase('objects/handles-are-of-one-context-and-one-kind', 'R040 R050', (bench) => {
    const program = bench.program();
    const made = makeAll(program);
    for (const { kind, handle } of made) {
      const other = made.find((one) => one.kind !== kind);
      if (other !== undefined) checkThrows('EINVAL', () => program.destroy(kind, other.handle));
      checkThrows('ENOENT', () => program.destroy(kind, (handle ^ 0x7ff0_0000) >>> 0));
    }
    if (bench.device.driver.exclusive === true) return;
    const stranger = bench.program();
    for (const { kind, handle } of made) checkThrows('ENOENT', () => stranger.destroy(kind, handle));
    for (const { handle } of made) checkEqual(program.object(handle)?.live, true, 'what strangers tried to end');
  }),

  driverCase('objects/a-call-that-fails-at-any-step-did-nothing', 'R041 R042 R043', (bench) => {
    const program = bench.program();
    for (const { name } of bench.makers()) {
      const { input, attachments } = program.given(name);
      const before = stateOf(bench, program);
      let step = 0;
      for (let failing = 1; ; failing++) {
        step = 0;
        bench.system.inject = (what) => {
          if (++step === failing) throw new Error(`injected at ${what}`);
        };
        let handle: number | undefined;
        try {
          handle = program.madeBy(name, program.call(name, input, attachments));
        } catch {}
        bench.system.inject = undefined;
        if (handle !== undefined) {
          program.object(handle)!;
          program.destroy(program.object(handle)!.kind, handle);
          check(failing > 1, `${name} has no step that can fail`);
          break;
        }
        checkEqual(stateOf(bench, program), before, `${name}, failed at step ${failing}: what is there`);
        check(failing < 100, `${name} never succeeds`);
      }
      checkEqual(stateOf(bench, program), before, `${name}, made and ended: what is there`);
    }
  }),

  driverCase('events/they-reach-only-the-owner-and-only-its-file', 'R061 R068', (bench) => {
    const program = bench.program();
    const object = program.object(makeAll(program)[0]!.handle)!;
    const file = Number(program.call('ASYNC_EVENT.ALLOC').handle);
    const stranger = bench.device.driver.exclusive === true ? undefined : bench.program();
    bench.device.raise(TEST_EVENT, object);
    checkEqual(eventsOf(program), [TEST_EVENT, object.handle], 'events of the default file');
    checkEqual(eventsOf(program, file), [], 'events of another file');
    if (stranger !== undefined) checkEqual(eventsOf(stranger), [], 'events of another program');
    bench.device.raise(TEST_EVENT, object);
    program.destroy(object.kind, object.handle);
    checkEqual(eventsOf(program), [], 'events about an object that has ended');
  }),
];

/** Events that wait, in pairs. */
export const eventsOf = (program: DriverProgram, handle?: number): readonly number[] =>
  program.call('ASYNC_EVENT.READ', handle === undefined ? {} : { handle }).events as readonly number[];

/** Objects in the order in which they end while something runs. */
export function endings({ device }: DriverBench, work: () => void): DeviceObject[] {
  const order: DeviceObject[] = [];
  const { unlist } = device;
  device.unlist = (object) => {
    order.push(object);
    unlist.call(device, object);
  };
  work();
  device.unlist = unlist;
  return order;
}

const nameOf = ({ kind, born }: DeviceObject): string => `${kind} ${born}`;

/** Everything that a call which fails must leave as it was. */
function stateOf({ device, system, pair }: DriverBench, { session, context }: DriverProgram): string {
  const own = session.contexts.get(context)!;
  const charges = ['hca_handle', 'hca_object', 'mr_mem'].map(
    (resource) => system.root.usage(device.name, resource as 'hca_object').current,
  );
  const uses = [...own.objects.values()].map((one) => `${one.handle}:${one.uses}:${one.lock}`);
  return JSON.stringify([device.census(), charges, session.pinnedBytes, pair.held(), own.maps.size, uses]);
}

/** COMM_EST: no driver under test raises it by itself. */
const TEST_EVENT = 4;
