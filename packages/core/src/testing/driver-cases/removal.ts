/** Hot unplug and reset, seen by programs. @spec rdma-core 8 · rdma-core 13 */
import { EventValue } from '../../device/events.ts';
import { handlesOf } from '../../uapi/schema.ts';
import type { DriverBench, DriverProgram } from '../driver-bench.ts';
import { check, checkEqual, checkThrows } from '../suite-case.ts';
import { type DriverCase, driverCase, makeAll } from './driver-case.ts';
import { endings, eventsOf } from './objects.ts';

export const REMOVAL_CASES: readonly DriverCase[] = [
  driverCase('removal/calls-answer-EIO-and-endings-succeed', 'R026 R027 R033', (bench) => {
    const program = bench.program();
    const made = makeAll(program);
    const inputs = bench.makers().map(({ name }) => ({ name, ...program.given(name) }));
    const methods = [...bench.device.methods.values()];
    bench.system.remove(bench.device);
    for (const { name, input, attachments } of inputs) {
      checkThrows('EIO', () => program.call(name, input, attachments));
    }
    for (const { name, method } of methods) {
      if (method.shell !== true && handlesOf(method, 'new').length === 0) {
        checkThrows('EIO', () => program.call(name, Object.fromEntries(mandatory(method.attributes))));
      }
    }
    for (const { kind, handle } of made.reverse()) program.destroy(kind, handle);
    checkThrows('ENXIO', () => program.open());
    program.call('DEVICE.CLOSE');
  }),

  driverCase('removal/every-reader-gets-DEVICE_FATAL-and-then-the-end', 'R028', (bench) => {
    const program = bench.program();
    const file = program.call('ASYNC_EVENT.ALLOC');
    const wakes = [Number(program.opened.wake), Number(file.wake)];
    checkEqual([...eventsOf(program), ...eventsOf(program, Number(file.handle))], [], 'events before');
    program.woken.length = 0;
    bench.system.remove(bench.device);
    for (const wake of wakes) check(program.woken.includes(wake), `the blocked reader ${wake} was not woken`);
    for (const handle of [undefined, Number(file.handle)]) {
      const input = handle === undefined ? {} : { handle };
      const first = program.call('ASYNC_EVENT.READ', input);
      checkEqual(first.events as readonly number[], [EventValue.DEVICE_FATAL, 0], `events of file ${handle}`);
      checkEqual(first.end as number, 1, `end of file ${handle}`);
      checkEqual(program.call('ASYNC_EVENT.READ', input).end as number, 1, `end of file ${handle}, read again`);
    }
  }),

  driverCase('removal/whoever-waits-for-an-object-wakes', 'R028', (bench) => {
    const program = bench.program();
    const waiting = makeAll(program).flatMap(({ handle }) => program.object(handle)!.wake || []);
    program.woken.length = 0;
    bench.system.remove(bench.device);
    for (const wake of waiting) check(program.woken.includes(wake), `who waits for ${wake} was not woken`);
  }),

  driverCase('removal/objects-end-newest-first-and-are-given-back-at-once', 'R030 R034 R048', (bench) => {
    const program = bench.program();
    makeAll(program);
    const order = endings(bench, () => bench.system.remove(bench.device));
    const born = order.map((one) => one.born);
    checkEqual(
      born,
      [...born].sort((a, b) => b - a),
      'order of endings',
    );
    checkEqual(bench.device.contexts.size, 0, 'contexts of a device that is gone');
    for (const { name } of bench.device.methods.objects) {
      checkEqual(bench.device.objects(name).size, 0, `${name} of a device that is gone`);
    }
    checkEqual(program.session.pinnedBytes, 0, 'bytes pinned by a device that is gone');
  }),

  driverCase('removal/a-call-that-runs-is-finished-first', 'R031', (bench) => {
    const program = bench.program();
    const [maker] = bench.makers();
    const { input, attachments } = program.given(maker!.name);
    bench.system.inject = () => {
      bench.system.inject = undefined;
      bench.system.remove(bench.device);
      checkEqual(bench.device.state, 'removing', 'state while the call runs');
      checkEqual(bench.system.find(bench.device.name)?.name, undefined, 'what a lookup finds meanwhile');
    };
    const handle = program.madeBy(maker!.name, program.call(maker!.name, input, attachments));
    checkEqual(bench.device.state, 'gone', 'state after the call');
    program.destroy(maker!.makes!.name, handle);
    checkThrows('EIO', () => program.call(maker!.name, input, attachments));
  }),

  driverCase('removal/twice-and-from-a-call-back-is-harmless', 'R032', (bench) => {
    bench.program();
    const { system, device } = bench;
    let removed = 0;
    system.addClient({
      name: 'again',
      add: () => {},
      remove: (one) => {
        if (one !== device) return;
        removed++;
        system.remove(device);
      },
    });
    system.remove(device);
    system.remove(device);
    checkEqual(removed, 1, 'calls of the client');
    checkEqual(device.state, 'gone', 'state');
  }),

  driverCase('removal/it-comes-back-as-another-device', 'R036', (bench) => {
    const program = bench.program();
    bench.system.remove(bench.device);
    const again = bench.pair.again?.();
    check(again !== undefined, 'the driver under test gives no new device');
    const device = bench.adopt(again);
    check(device.index > bench.devices[1]!.index, `index ${device.index} was given out before`);
    checkThrows('EIO', () => program.call('DEVICE.INFO_HANDLES', { object: 1 }));
    program.call('DEVICE.CLOSE');
    program.open();
    makeAll(program);
    program.session.close();
  }),

  driverCase('doorbells/rung-after-removal-do-nothing', 'R029 R142', (bench) => {
    const [a, b] = talk(bench);
    a.send(text('before'));
    bench.pair.run();
    check(b.receive() !== undefined, 'the message before the removal did not come');
    const [, second] = bench.programs as [DriverProgram, DriverProgram];
    a.send(text('too late'));
    bench.system.remove(bench.device);
    for (let i = 0; i < 3; i++) {
      a.ring();
      bench.pair.run();
    }
    checkEqual(b.receive() === undefined, true, 'nothing comes from a device that is gone');
    second.call('DEVICE.QUERY_METHODS');
  }),

  driverCase('removal/the-peer-under-traffic', 'R026', (bench) => {
    const [a, b] = talk(bench);
    for (let i = 0; i < 8; i++) a.send(text(`message ${i}`));
    bench.system.remove(bench.devices[1]!);
    bench.pair.run();
    b.ring();
    a.ring();
    bench.pair.run();
    bench.programs[0]!.call('DEVICE.QUERY_METHODS');
  }),

  driverCase('maps/only-what-was-given-and-only-exactly', 'R141 R143', (bench) => {
    const program = bench.program();
    makeAll(program);
    const { maps } = program.session.contexts.get(program.context)!;
    const entries = [...maps.values()];
    check(entries.length > 0, 'the driver offers nothing to be mapped');
    for (const { offset, length } of entries) {
      checkEqual(program.map(offset, length).length, length, 'bytes mapped');
      for (const [at, bytes] of [
        [offset + 4096, length],
        [offset + 1, length],
        [offset, length + 1],
        [offset, length - 1],
        [0, length],
      ] as const) {
        if (!entries.some((one) => one.offset === at && one.length === bytes)) {
          checkThrows('EINVAL', () => program.map(at, bytes));
        }
      }
      program.call('DEVICE.UNMAP', { offset });
      checkThrows('EINVAL', () => program.call('DEVICE.UNMAP', { offset }));
    }
    bench.system.remove(bench.device);
    for (const { offset, length } of entries) checkThrows('EIO', () => program.map(offset, length));
    checkEqual(maps.size, 0, 'entries of a device that is gone');
  }),

  driverCase('reset/contexts-stay-and-can-be-used-again', 'R035', (bench) => {
    const program = bench.program();
    const made = makeAll(program);
    bench.device.reset();
    const { events, end } = program.call('ASYNC_EVENT.READ') as { events: readonly number[]; end: number };
    check(events.includes(EventValue.DEVICE_FATAL), 'programs are not told of the reset');
    checkEqual(end, 0, 'end of the event file');
    for (const { kind, handle } of made.reverse()) program.destroy(kind, handle);
    makeAll(program);
    program.session.close();
    const [a, b] = talk(bench);
    a.send(text('as before'));
    bench.pair.run();
    checkEqual(String(b.receive()), String(text('as before')), 'the message after a reset');
  }),
];

/** Two ends, each of a program of its own. */
export function talk(bench: DriverBench): ReturnType<NonNullable<DriverBench['pair']['talk']>> {
  const { pair } = bench;
  check(pair.talk !== undefined, 'the driver under test has no user half that talks');
  return pair.talk(bench.program(0), bench.program(1));
}

export const text = (words: string): Uint8Array => Uint8Array.from(words, (one) => one.charCodeAt(0));

/** Anything that an attribute can hold, for calls that fail before they look. */
function* mandatory(
  attributes: Readonly<Record<string, { direction: string; mandatory: boolean; type: { kind: string; min?: number } }>>,
): IterableIterator<readonly [string, unknown]> {
  for (const [name, { direction, mandatory, type }] of Object.entries(attributes)) {
    if (direction !== 'in' || !mandatory) continue;
    if (type.kind === 'struct') continue;
    if (type.kind === 'bytes') yield [name, new Uint8Array(type.min ?? 0)];
    else if (type.kind === 'u64') yield [name, 0n];
    else if (type.kind === 'row') yield [name, {}];
    else if (type.kind === 'handles') yield [name, []];
    else yield [name, type.kind === 'text' ? '' : 0];
  }
}
