import { describe, expect, it } from 'vitest';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { CallBench } from '../testing/call-bench.ts';
import {
  type CallCase,
  CallWorld,
  callCases,
  isDestroying,
  isMaking,
  uncalledMethods,
} from '../testing/call-inputs.ts';
import { loop } from '../transports/loop/index.ts';
import { uet } from '../transports/uet/index.ts';
import { ANSWER_BYTES } from '../uapi/message.ts';

const titleOf = ({ object, method, variant }: CallCase) => `${object}.${method}${variant === '' ? '' : `, ${variant}`}`;
const TRANSPORTS = [uet, loop];
const bench = () => new CallBench({ transports: TRANSPORTS });
const world = (made = bench()) => new CallWorld(made, made.program().open('dev0'));

const code = (work: () => unknown): string => {
  try {
    work();
  } catch (thrown) {
    return isVerbsError(thrown) ? thrown.code : String(thrown);
  }
  return 'nothing thrown';
};

/** The call with the inputs of its case made before `then` is run. */
function prepared(of: CallWorld, one: CallCase): (options?: { room?: number }) => unknown {
  const { input, attachments = [] } = one.prepare(of);
  return (options = {}) =>
    of.context.call(one.object, one.method as never, input as never, { ...options, attachments }) as never;
}

describe('a call that fails has done nothing', () => {
  const cases = callCases(bench());

  it('every method of the device is among the cases', () => {
    expect(uncalledMethods(bench())).toEqual([]);
  });

  it.each(cases.map((one) => [titleOf(one), one] as const))('%s: at every step (R041 R042 R134)', (_, one) => {
    const here = world();
    const { system } = here.bench;
    const run = prepared(here, one);
    const before = here.bench.state();
    let steps = 0;
    for (let failing = 1; ; failing++) {
      let reached = 0;
      let failed = '';
      system.inject = (step) => {
        if (++reached !== failing) return;
        failed = step;
        throw new VerbsError('ENOMEM', 'inject', `step ${failing}: ${step}`);
      };
      const answer = code(run);
      system.inject = undefined;
      if (failed === '') {
        expect(answer).toBe('nothing thrown');
        break;
      }
      steps++;
      expect(answer, failed).toBe('ENOMEM');
      expect(here.bench.state(), failed).toBe(before);
    }
    if (isDestroying(one)) expect(steps).toBe(0);
    if (isMaking(one)) expect(steps).toBeGreaterThan(2); // a handle, a charge, an answer
  });

  const answering = cases.filter((one) => !isDestroying(one));
  it.each(answering.map((one) => [titleOf(one), one] as const))(
    '%s: when its answer finds no room (R043)',
    (_, one) => {
      const here = world();
      const run = prepared(here, one);
      const before = here.bench.state();
      expect(code(() => run({ room: ANSWER_BYTES - 1 }))).toBe('ENOSPC');
      expect(here.bench.state()).toBe(before);
      expect(code(() => run())).toBe('nothing thrown');
    },
  );

  it('opening a device: at every step, and when its answer finds no room (R041 R042 R043)', () => {
    const made = bench();
    const program = made.program();
    const before = made.state();
    let steps = 0;
    for (let failing = 1; ; failing++) {
      let reached = 0;
      made.system.inject = () => {
        if (++reached === failing) throw new VerbsError('ENOMEM', 'inject', `step ${failing}`);
      };
      const answer = code(() => program.open('dev0'));
      made.system.inject = undefined;
      if (answer === 'nothing thrown') break;
      steps++;
      expect(answer).toBe('ENOMEM');
      expect(made.state()).toBe(before);
    }
    expect(steps).toBeGreaterThan(2);
    program.session.close();
    expect(made.leftovers()).toEqual([]);
  });
});

describe('a table that is full', () => {
  const FULL = {
    'PD.ALLOC': { protectionDomains: 1 },
    'MR.REG': { regions: 1 },
    'CQ.CREATE': { completionQueues: 1 },
    'QP.CREATE': { queuePairs: 1 },
    'AH.CREATE': { addressHandles: 1 },
    'JOB.ALLOC': { jobs: 1 },
    'JKEY.CREATE': { jobKeys: 1 },
  };

  it.each(Object.entries(FULL))('%s answers ENOSPC and has done nothing, however often (R041 R042)', (name, limits) => {
    const made = new CallBench({ transports: TRANSPORTS, limits });
    const here = new CallWorld(made, made.program().open('dev0'));
    const one = callCases(made).find(({ object, method }) => `${object}.${method}` === name)!;
    const before = made.state();
    for (let i = 0; i < 5; i++) {
      expect(code(() => here.call(one))).toBe('ENOSPC');
      expect(made.state()).toBe(before);
    }
    here.context.program.session.close();
    expect(made.leftovers()).toEqual([]);
    // what failed holds nothing in the driver's tables either
    expect(new CallWorld(made, made.program().open('dev0')).handles.size).toBe(here.handles.size);
  });

  it('of handles answers ENOSPC, and the rest of the context goes on (R041)', () => {
    const made = bench();
    const device = made.plug('small', TRANSPORTS);
    (device.limits as { handles: number }).handles = 3;
    const context = made.program().open('small');
    const first = context.call('PD', 'ALLOC', {}).handle;
    context.call('PD', 'ALLOC', {});
    const before = made.state();
    expect(code(() => context.call('PD', 'ALLOC', {}))).toBe('ENOSPC');
    expect(made.state()).toBe(before);
    context.call('PD', 'DEALLOC', { handle: first });
    context.call('PD', 'ALLOC', {});
  });
});

describe('destroying', () => {
  const destroying = callCases(bench()).filter(isDestroying);

  it.each(destroying.map((one) => [titleOf(one), one] as const))(
    '%s: cannot fail for lack of anything (R044)',
    (_, one) => {
      const here = world();
      const run = prepared(here, one);
      here.bench.system.inject = (step) => {
        throw new VerbsError('ENOMEM', 'inject', step);
      };
      expect(code(() => run({ room: ANSWER_BYTES }))).toBe('nothing thrown');
    },
  );

  it('a program that ends gives everything back, newest first (R044 R048)', () => {
    const here = world();
    here.bench.system.inject = (step) => {
      throw new VerbsError('ENOMEM', 'inject', step);
    };
    here.context.program.session.close();
    expect(here.bench.leftovers()).toEqual([]);
  });
});
