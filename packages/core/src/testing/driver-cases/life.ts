/** Being there: registration, what the device has, and programs that come and go. */
import { UAPI } from '../../uapi/index.ts';
import { AttributeFlag, decodeAnswer, encodeRequest, type RawAttribute } from '../../uapi/message.ts';
import type { Method, ObjectSchema } from '../../uapi/schema.ts';
import type { DriverProgram } from '../driver-bench.ts';
import { check, checkEqual, checkThrows } from '../suite-case.ts';
import { type DriverCase, driverCase, makeAll } from './driver-case.ts';

export const LIFE_CASES: readonly DriverCase[] = [
  driverCase('registry/it-is-listed', 'R014', (bench) => {
    const { session, device } = bench.program();
    const { LIST } = UAPI.DEVICE.methods;
    const answer = session.invoke({ bytes: encodeRequest(UAPI.DEVICE, LIST, {}), attachments: [] });
    const row = decodeAnswer(LIST, answer.bytes).devices.find((one) => one.name === device.name);
    checkEqual(row?.driver as string, device.driver.name, 'driver in the list');
    checkEqual(row?.state as string, 'registered', 'state in the list');
    checkEqual(row?.contexts as number, 1, 'contexts in the list');
  }),

  driverCase('registry/it-serves-before-register-returns', 'R024', (bench) => {
    let served = 0;
    const end = bench.system.addClient({
      name: 'eager',
      add: (device) => {
        if (device !== bench.device) return;
        const program = bench.program();
        served = makeAll(program).length;
        program.session.close();
      },
      remove: () => {},
    });
    end();
    checkEqual(served, bench.makers().length, 'objects that a client made in its call-back');
  }),

  driverCase('methods/what-is-absent-answers-EPROTONOSUPPORT', 'R016 R015', (bench) => {
    const program = bench.program();
    for (const schema of Object.values(UAPI) as ObjectSchema[]) {
      for (const [name, method] of Object.entries(schema.methods)) {
        const full = `${schema.name}.${name}`;
        if (full === 'DEVICE.LIST' || full === 'DEVICE.OPEN' || bench.device.methods.has(full)) continue;
        checkThrows('EPROTONOSUPPORT', () => raw(program, schema, method));
      }
    }
  }),

  driverCase('methods/what-is-there-never-answers-EPROTONOSUPPORT', 'R016', (bench) => {
    const program = bench.program();
    for (const { object, method, name } of bench.device.methods.values()) {
      if (name === 'DEVICE.CLOSE') continue;
      try {
        raw(program, object, method);
      } catch (thrown) {
        const { code } = thrown as { code?: string };
        check(code !== undefined && code !== 'EPROTONOSUPPORT', `${name} without attributes answered ${code}`);
      }
    }
  }),

  driverCase('methods/an-unknown-mandatory-attribute-is-refused', 'R059 R066', (bench) => {
    const program = bench.program();
    for (const { object, method, name } of bench.device.methods.values()) {
      if (name === 'DEVICE.CLOSE') continue;
      for (const id of [0x0fff, 0x1fff]) {
        const extra = [{ id, flags: AttributeFlag.MANDATORY, value: new Uint8Array(4) }];
        checkThrows('EPROTONOSUPPORT', () => raw(program, object, method, extra));
      }
    }
  }),

  driverCase('methods/QUERY_METHODS-tells-exactly-what-is-there', 'R016', (bench) => {
    const rows = bench.program().call('DEVICE.QUERY_METHODS').methods as readonly { name: string }[];
    const known = [...bench.device.methods.values()].map(({ name }) => name);
    checkEqual(rows.map(({ name }) => name).sort(), known.sort(), 'methods');
  }),

  driverCase('methods/a-user-half-for-another-driver-is-refused', 'R078', (bench) => {
    const { session, context, device } = bench.program();
    const { INFO_HANDLES } = UAPI.DEVICE.methods;
    const options = { context, driver: device.driver.number + 1 };
    const bytes = encodeRequest(UAPI.DEVICE, INFO_HANDLES, { object: 1 }, options);
    checkThrows('EINVAL', () => decodeAnswer(INFO_HANDLES, session.invoke({ bytes, attachments: [] }).bytes));
  }),

  driverCase('contexts/one-program-at-a-time-where-it-cannot-keep-them-apart', 'R107 R105', (bench) => {
    const { device } = bench;
    bench.program();
    if (device.driver.exclusive === true) checkThrows('EBUSY', () => bench.program());
    else bench.program();
    // without domains nothing keeps programs apart
    if (!device.methods.has('PD.ALLOC')) check(device.driver.exclusive === true, 'no PD, yet it serves several');
  }),

  driverCase('contexts/many-rounds-leave-nothing', 'R228 R180', (bench) => {
    const base = JSON.stringify(bench.device.census());
    for (let round = 0; round < 10; round++) {
      const program = bench.program();
      makeAll(program);
      bench.pair.run();
      program.session.close();
      checkEqual(JSON.stringify(bench.device.census()), base, `what is alive after round ${round}`);
    }
  }),
];

/** A call with nothing in it, or only with what is unknown. @throws VerbsError what it says */
function raw(program: DriverProgram, object: ObjectSchema, method: Method, extra: readonly RawAttribute[] = []): void {
  const { session, context, device } = program;
  const bytes = encodeRequest(object, method, {} as never, { context, driver: device.driver.number, extra });
  decodeAnswer(method, session.invoke({ bytes, attachments: [] }).bytes);
}
