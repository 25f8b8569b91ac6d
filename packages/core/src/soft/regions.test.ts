/** Memory of programs as the device holds it: pinned once, released once, changed wholly or not at all. */
import { describe, expect, it } from 'vitest';
import { isVerbsError } from '../base/verbs-error.ts';
import { UAPI } from '../uapi/index.ts';
import { encodeRequest } from '../uapi/message.ts';
import { Rig } from '../verbs/device-rig.testdata.ts';

const ALL = ['local-write', 'remote-write', 'remote-read', 'window-bind'] as const;

function program() {
  const rig = new Rig();
  const device = rig.device('10.0.0.1');
  const context = device.device.open();
  const pd = context.allocatePd();
  const state = () => ({
    ...device.registered.census(),
    pinned: device.session.pinnedBytes,
    rows: [...device.registered.rows()],
  });
  const register = (length: number) => pd.registerMemory(context.allocate(length), { access: ALL });
  const job = context.createJob({ id: 7 });
  const jobKey = pd.createJobKey(job);
  const cq = context.createCompletionQueue({ entries: 16 });
  const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 8, receiveDepth: 8 });
  return { ...device, rig, context, pd, state, register, cq, qp, jobKey };
}

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (thrown) {
    return isVerbsError(thrown) ? thrown.code : String(thrown);
  }
  return '';
};

describe('memory regions', () => {
  it('one pin serves many regions, for as long as the first is there (R099 R139)', () => {
    const { session, registered, register, jobKey } = program();
    const before = registered.census()['dma_regions']!;
    const whole = register(1 << 16);
    const parts = Array.from({ length: 8 }, (_, i) =>
      whole.derive({ offset: i * 4096, length: 4096, access: ['remote-read'], ...(i % 2 === 0 ? { jobKey } : {}) }),
    );
    const deeper = parts[1]!.derive({ offset: 16, length: 16, access: ['remote-read'] });
    expect(new Set([whole, ...parts, deeper].map(({ rkey }) => rkey)).size).toBe(10);
    expect([registered.census()['dma_regions'], session.pinnedBytes]).toEqual([before + 1, 1 << 16]);
    expect(code(() => parts[1]!.deregister())).toBe('EBUSY');
    for (const one of [deeper, ...parts]) one.deregister();
    expect([registered.census()['dma_regions'], session.pinnedBytes]).toEqual([before + 1, 1 << 16]);
    whole.deregister();
    expect([registered.census()['dma_regions'], session.pinnedBytes]).toEqual([before, 0]);
  });

  it('registers no empty memory, no unknown right, and ignores unknown hints (R135)', () => {
    const { context, pd, session, port } = program();
    expect(code(() => pd.registerMemory(new Uint8Array(0), { access: [] }))).toBe('EINVAL');
    const bytes = context.allocate(8);
    for (const access of [['remote-write'], ['remote-atomic'], ['remote-read', 'remote-write']] as const) {
      expect(code(() => pd.registerMemory(bytes, { access }))).toBe('EINVAL');
    }
    expect(code(() => pd.registerMemory(bytes, { access: ['remote-everything' as 'remote-read'] }))).toBe('EINVAL');
    const reg = (access: number, hints?: number) => {
      const attachments: unknown[] = [];
      const memory = port.memory.name(context, bytes, attachments);
      return code(() => context.call('MR', 'REG', { pd: pd.handle, memory, access, hints }, attachments));
    };
    expect(reg(1 << 6)).not.toBe('');
    expect([reg(1, 0xffff_ffff), reg(1, 1 << 20)]).toEqual(['', '']);
    pd.registerMemory(bytes, { access: [], relaxedOrdering: true });
    expect(session.pinnedBytes).toBe(24);
  });

  it('a change fails at any step, and nothing has changed (R134)', () => {
    const { system, context, register, state, session } = program();
    const region = register(4096);
    const memory = context.allocate(8192);
    const other = context.allocatePd();
    const change = () => region.reregister({ bytes: memory, pd: other, access: ['local-write'] });
    const before = state();
    let steps = 0;
    for (let fail = 1; ; fail++) {
      steps = 0;
      system.inject = () => {
        if (++steps === fail) throw new Error('injected');
      };
      const found = code(change);
      if (found === '') break;
      system.inject = undefined;
      expect(found).toBe('EIO');
      expect(state(), `after step ${fail}`).toEqual(before);
      expect(region.length).toBe(4096);
    }
    system.inject = undefined;
    expect(steps).toBeGreaterThan(3);
    expect([region.length, region.pd === other, session.pinnedBytes]).toEqual([8192, true, 8192]);
    expect({ ...state(), rows: [], pinned: 0 }).toEqual({ ...before, rows: [], pinned: 0 });
    region.deregister();
    expect(session.pinnedBytes).toBe(0);
    other.close();
  });

  it('a change needs what it flags, and refuses what is tied', () => {
    const { context, pd, register, jobKey, qp, port } = program();
    const region = register(64);
    const raw = (flags: number, more: object) =>
      code(() => context.call('MR', 'REREG', { handle: region.handle, flags, ...more }));
    expect([raw(0, {}), raw(4, {}), raw(2, { access: 1 }), raw(8, {})]).toEqual([
      'EINVAL',
      'EINVAL',
      'EINVAL',
      'EINVAL',
    ]);
    const other = context.allocatePd();
    const tied = pd.registerMemory(context.allocate(8), { access: ALL, jobKey });
    expect(code(() => tied.reregister({ pd: other }))).toBe('EINVAL');
    qp.attachMemory(region);
    expect(code(() => region.reregister({ pd: other }))).toBe('EINVAL');
    region.reregister({ access: ['local-write', 'remote-write'] }); // the attachment moves along
    expect(code(() => qp.attachMemory(region))).toBe('EEXIST');
    qp.detachMemory(region);
    const derived = register(64).derive({ access: ['remote-read'] });
    expect(code(() => derived.reregister({ bytes: context.allocate(8) }))).toBe('EINVAL');
    expect(code(() => derived.reregister({ access: ['local-write', 'remote-write', 'remote-read'] }))).toBe('');
    expect(port.failure).toBe('');
  });

  it('windows and regions of a context go with it, in whatever order they were made', () => {
    const { rig, context, pd, register, qp, registered, session, cq } = program();
    const windows = [pd.allocateWindow({ type: 1 }), pd.allocateWindow({ type: 2 })];
    const region = register(4096); // newer than the windows that will need it
    for (const window of windows) qp.bindWindow(window, { region, access: ['remote-read'] });
    rig.turn();
    expect([cq.take()?.status, cq.take()?.status]).toEqual(['SUCCESS', 'SUCCESS']);
    expect([...registered.rows('MW')].map((row) => row['bound'])).toEqual([true, true]);
    expect(code(() => region.deregister())).toBe('EBUSY');
    context.close();
    expect(registered.census()).toMatchObject({ memory_windows: 0, memory_regions: 0, contexts: 0 });
    expect(session.pinnedBytes).toBe(0);
  });

  it('a program that dies with open windows leaves nothing', () => {
    const { rig, pd, register, qp, registered, session } = program();
    const window = pd.allocateWindow({ type: 2 });
    qp.bindWindow(window, { region: register(64), access: ['remote-read'] });
    rig.turn();
    session.close();
    expect(registered.census()).toMatchObject({ memory_windows: 0, memory_regions: 0, queue_pairs: 0 });
    expect(registered.system.leaked).toBe(0);
  });

  it('rings may lie in any memory that was described the common way (R138)', () => {
    const { context, pd, jobKey, port } = program();
    // one allocation holds all rings of a queue pair and its queue
    const memory = context.allocate(1 << 16);
    const attachments: unknown[] = [];
    const all = port.memory.name(context, memory, attachments);
    const part = (offset: number, length: number) => ({ ...all, offset, length });
    const cq = context.call('CQ', 'CREATE', { ring: part(0, 8192), entries: 64 }, attachments);
    const made = context.call(
      'QP',
      'CREATE',
      {
        ...{ pd: pd.handle, type: 11, sendCq: cq.handle, recvCq: cq.handle, jobKey: jobKey.handle },
        ...{ sendRing: part(8192, 8192), sendEntries: 32, receiveRing: part(16_384, 8192), receiveEntries: 32 },
      },
      attachments,
    );
    expect(made.qpnGiven).toBeGreaterThan(0);
    for (const ring of [part(0, 100), part(2, 8192), part(60_000, 8192)]) {
      expect(code(() => context.call('CQ', 'CREATE', { ring, entries: 64 }, attachments))).toBe('EINVAL');
    }
    // an answer that has no room: nothing is left of a queue that was made
    const before = context.call('DEVICE', 'INFO_HANDLES', { object: UAPI.CQ.id }).handles.length;
    const request = encodeRequest(
      UAPI.CQ,
      UAPI.CQ.methods.CREATE,
      { ring: part(24_576, 8192), entries: 64 },
      { context: context.number, driver: context.driver, room: 8 },
    );
    port.invoke({ bytes: request, attachments });
    expect(context.call('DEVICE', 'INFO_HANDLES', { object: UAPI.CQ.id }).handles.length).toBe(before);
  });
});
