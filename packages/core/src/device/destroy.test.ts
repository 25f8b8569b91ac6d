import { describe, expect, it } from 'vitest';
import type { DriverOps } from './driver.ts';
import { newSystem, StubProgram, stubDriver } from './stub-driver.testdata.ts';

/** A device whose driver refuses to end some objects. */
function setup(refuses: (kind: 'pd' | 'ah', id: number, reason: string) => boolean) {
  const [system, log] = [newSystem(), [] as string[]];
  const { ops } = stubDriver({}, log);
  const end =
    (kind: 'pd' | 'ah') =>
    ({ object, reason = '' }: { object: { id: number }; reason?: string | undefined }): void => {
      log.push(`${kind}- ${object.id} ${reason}`);
      if (refuses(kind, object.id, reason)) throw new Error('busy hardware');
    };
  const refusing = {
    ...ops,
    PD: { ...ops.PD, DEALLOC: end('pd') },
    AH: { ...ops.AH, DESTROY: end('ah') },
  } as DriverOps;
  const device = system.register(stubDriver({ ops: refusing }, log), { name: 'x' });
  const program = new StubProgram(system, device);
  log.length = 0;
  return { system, log, device, program, charged: () => system.root.usage('x', 'hca_object').current };
}

describe('ending objects', () => {
  it('in use is EBUSY, names the users, and changes nothing (R047)', () => {
    const { program, device, log } = setup(() => false);
    const pd = program.pd();
    const ah = program.ah(pd);
    log.length = 0;
    const refusal = expect.objectContaining({ try: `destroy first: AH 0x${ah.toString(16)}` });
    expect(() => program.call('PD.DEALLOC', { handle: pd })).toThrowError(
      expect.objectContaining({ code: 'EBUSY', facts: refusal }),
    );
    expect(log).toEqual([]);
    expect(device.census()).toMatchObject({ protection_domains: 1, address_handles: 1 });
    program.call('AH.DESTROY', { handle: ah });
    program.call('PD.DEALLOC', { handle: pd });
    expect(device.census()).toMatchObject({ protection_domains: 0, address_handles: 0 });
  });

  it('that the driver refuses leaves the object as it was, usable (R049)', () => {
    let hot = true;
    const { program, charged, system } = setup(() => hot);
    const pd = program.pd();
    expect(() => program.call('PD.DEALLOC', { handle: pd })).toThrowError(/EIO.*busy hardware/);
    expect(charged()).toBe(1);
    program.ah(pd);
    hot = false;
    program.session.close();
    expect([charged(), system.leaked]).toEqual([0, 0]);
  });

  it('at the end of a program goes newest first, and again as long as something goes (R048)', () => {
    let refusals = 2;
    const { program, log, system, charged } = setup((kind) => kind === 'ah' && refusals-- > 0);
    const [one, two] = [program.pd(), program.pd()];
    program.ah(one);
    program.ah(two);
    program.ah(one);
    log.length = 0;
    program.session.close();
    expect(log).toEqual([
      ...['ah- 3 CLOSE', 'ah- 2 CLOSE', 'ah- 1 CLOSE'], // two are refused
      ...['ah- 3 CLOSE', 'ah- 2 CLOSE', 'pd- 2 CLOSE', 'pd- 1 CLOSE'],
    ]);
    expect([system.leaked, charged()]).toEqual([0, 0]);
  });

  it('that a driver refuses for ever is leaked, stays charged, and holds nobody up (R049)', () => {
    const { program, log, system, device, charged } = setup((kind) => kind === 'ah');
    const pd = program.pd();
    program.ah(pd);
    program.pd();
    log.length = 0;
    program.session.close();
    expect(log).toEqual(
      ['pd- 2 CLOSE', 'ah- 1 CLOSE', 'ah- 1 CLOSE', 'ah- 1 DRIVER_FAILURE', 'pd- 1 CLOSE'].sort(byLog(log)),
    );
    expect(system.leaked).toBe(1);
    expect(charged()).toBe(1);
    expect(device.census()).toMatchObject({ contexts: 0, protection_domains: 0, address_handles: 0 });
    // and the device still serves others, and still goes
    const other = new StubProgram(system, device);
    other.pd();
    system.remove(device);
    expect(device.state).toBe('gone');
  });
});

/** Keeps the order of what was logged, so that only the set is compared. */
const byLog = (log: readonly string[]) => (a: string, b: string) => log.indexOf(a) - log.indexOf(b);

describe('locks', () => {
  /** A driver whose AH.CREATE runs something. */
  function reentrant() {
    const [system, log] = [newSystem(), [] as string[]];
    let within: () => void = () => {};
    const { ops } = stubDriver({}, log);
    const AH = {
      ...ops.AH,
      CREATE: () => {
        within();
        return { number: 1, pathGiven: 1, peer: { address: new Uint8Array(16), port: 0, sgidIndex: 0 } };
      },
    };
    const device = system.register(stubDriver({ ops: { ...ops, AH } as DriverOps }, log), { name: 'x' });
    const program = new StubProgram(system, device);
    return { system, device, program, run: (work: () => void) => void (within = work) };
  }

  it('what a call uses cannot be ended by another one: EBUSY at once (R046 R045)', () => {
    const { program, run, device } = reentrant();
    const pd = program.pd();
    const seen: string[] = [];
    run(() => {
      try {
        program.call('PD.DEALLOC', { handle: pd });
      } catch (thrown) {
        seen.push((thrown as { code: string }).code);
      }
    });
    program.ah(pd);
    expect(seen).toEqual(['EBUSY']);
    expect(device.census()).toMatchObject({ protection_domains: 1, address_handles: 1 });
  });

  it('several calls may use the same object (R046)', () => {
    const { program, run, device } = reentrant();
    const pd = program.pd();
    let depth = 0;
    run(() => {
      if (depth++ < 3) program.ah(pd);
    });
    program.ah(pd);
    expect(device.census()).toMatchObject({ address_handles: 4 });
  });

  it('what is being made cannot be found by others before it is there (R045 R040)', () => {
    const { program, run } = reentrant();
    const pd = program.pd();
    const seen: string[] = [];
    run(() => {
      const { objects } = program.session.contexts.get(program.context)!;
      const making = [...objects.values()].find((one) => one.kind === 'AH')!;
      try {
        program.call('AH.DESTROY', { handle: making.handle });
      } catch (thrown) {
        seen.push((thrown as { code: string }).code);
      }
    });
    program.ah(pd);
    expect(seen).toEqual(['ENOENT']);
  });

  it('a program that dies in the middle of a call is cleared away right after it (R045 R180)', () => {
    const { system, program, run, device } = reentrant();
    const pd = program.pd();
    run(() => program.session.close());
    program.ah(pd);
    expect(device.census()).toEqual({ ...device.census(), contexts: 0, protection_domains: 0, address_handles: 0 });
    expect(system.root.usage('x', 'hca_object').current).toBe(0);
  });
});
