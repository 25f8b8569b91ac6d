/** What programs do with registered memory beyond registering it: it must hold over any transport. */
import type { Completion } from '../../verbs/completion.ts';
import type { MemoryRegion } from '../../verbs/memory-region.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import type { Bed, End } from '../bed.ts';
import type { EndQueuePair } from '../peer-queue-pairs.ts';
import { check, checkEqual, checkStatus, checkThrows, type SuiteCase, testCase } from '../suite-case.ts';

const ALL = ['local-write', 'remote-write', 'remote-read'] as const;

/** A write of `length` bytes from a to b, and how it ended. */
function write(bed: Bed, remote: RemoteMemory, options: { offset?: number; length?: number; qp?: EndQueuePair } = {}) {
  const { a, b } = bed;
  const { offset = 0, length = 8, qp = b.qp } = options;
  const before = a.sent.length;
  const local = a.buffer(length, { salt: 3 });
  a.qp.post({ opcode: 'write', to: a.to(b), qpn: qp.qpn, ...local.part(), remote, remoteOffset: offset });
  bed.completed(a, before + 1, 0);
  return a.sent[before]!;
}

function expect(bed: Bed, status: Completion['status'], remote: RemoteMemory, options = {}): void {
  checkStatus(write(bed, remote, options), status);
}

function register(end: End, length: number, access: Parameters<End['pd']['registerMemory']>[1]['access'] = ALL) {
  return end.pd.registerMemory(end.context.allocate(length), { access });
}

const secondQp = (end: End): EndQueuePair => end.queuePair({ sendDepth: 16, receiveDepth: 16 });

const zeros = (region: MemoryRegion): boolean => region.bytes.every((byte) => byte === 0);

/** Drives until the sends of b have completed, and says how the last one ended. */
function own(bed: Bed, end: End, post: () => void): Completion['status'] {
  const before = end.sent.length;
  post();
  bed.completed(end, before + 1, 0);
  return end.sent.at(-1)!.status;
}

export const MEMORY_CASES: readonly SuiteCase[] = [
  testCase('memory/derived-region (R099 R139)', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const parent = register(b, 4096);
    const regions = b.node.kernel.census()['dma_regions'];
    const part = parent.derive({ offset: 1000, length: 100, access: ['local-write', 'remote-write'] });
    checkEqual(b.node.kernel.census()['dma_regions'], regions, 'memory that the device reaches');
    check(part.rkey !== parent.rkey && part.lkey !== parent.lkey, 'its keys are its own');
    expect(bed, 'SUCCESS', new RemoteMemory(part.rkey), { offset: 92 });
    check(parent.bytes[1092] !== 0 && parent.bytes[1091] === 0, 'the bytes are in the parent, at the right place');
    for (const offset of [93, 100, 2 ** 40]) expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(part.rkey), { offset });
    checkThrows('EBUSY', () => parent.deregister());
    checkThrows('EINVAL', () => parent.derive({ offset: 4000, length: 97, access: [] }));
    checkThrows('EINVAL', () => part.derive({ access: ['remote-read'] }));
    part.deregister();
    expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(part.rkey));
    expect(bed, 'SUCCESS', new RemoteMemory(parent.rkey));
    parent.deregister();
    bed.close();
  }),
  testCase('memory/reregistered-region', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const region = register(b, 100);
    const [old, oldLkey, oldBytes] = [new RemoteMemory(region.rkey), region.lkey, region.bytes];
    region.reregister({ bytes: b.context.allocate(200) });
    expect(bed, 'REM_ACCESS_ERR', old);
    check(
      oldBytes.every((byte) => byte === 0),
      'the old memory is untouched',
    );
    check(region.lkey !== oldLkey && region.length === 200, 'the local key is new, and the length');
    expect(bed, 'SUCCESS', new RemoteMemory(region.rkey), { offset: 192 });
    const writable = new RemoteMemory(region.rkey);
    region.reregister({ access: ['local-write', 'remote-read'] });
    for (const remote of [writable, new RemoteMemory(region.rkey)]) expect(bed, 'REM_ACCESS_ERR', remote);
    const other = b.context.allocatePd();
    region.reregister({ pd: other, access: ALL });
    expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(region.rkey));
    checkThrows('EINVAL', () => b.qp.postReceive({ region }));
    checkThrows('EBUSY', () => other.close());
    region.reregister({ pd: b.pd });
    other.close();
    expect(bed, 'SUCCESS', new RemoteMemory(region.rkey));
    checkThrows('EINVAL', () => region.reregister({}));
    checkThrows('EINVAL', () => region.reregister({ access: ['remote-write'] }));
    expect(bed, 'SUCCESS', new RemoteMemory(region.rkey));
    checkEqual(a.sent.length > 0, true, 'something was done');
    bed.close();
  }),
  testCase('memory/invalidated-region', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const region = register(b, 100);
    region.invalidate();
    expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(region.rkey));
    check(zeros(region), 'nothing is written');
    // local use goes on
    b.qp.postReceive({ region });
    a.qp.post({ opcode: 'send', to: a.to(b), ...a.buffer(100, { salt: 1 }).part() });
    bed.completed(b, 0, 1);
    bed.completed(a, 2, 0);
    checkStatus(b.received[0], 'SUCCESS');
    const second = register(b, 100);
    checkEqual(
      own(bed, b, () => b.qp.invalidate(second.rkey)),
      'SUCCESS',
      'the request',
    );
    expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(second.rkey));
    checkEqual(
      own(bed, b, () => b.qp.invalidate(second.rkey)),
      'MW_BIND_ERR',
      'the same again',
    );
    second.reregister({ access: ALL });
    expect(bed, 'SUCCESS', new RemoteMemory(second.rkey));
    bed.close();
  }),
  testCase('memory/attached-region (R100)', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const second = secondQp(b);
    const region = register(b, 100);
    const remote = new RemoteMemory(region.rkey);
    for (const qp of [b.qp, second]) expect(bed, 'SUCCESS', remote, { qp });
    b.qp.attachMemory(region);
    checkThrows('EEXIST', () => b.qp.attachMemory(region));
    checkThrows('EINVAL', () => second.detachMemory(region));
    expect(bed, 'SUCCESS', remote);
    expect(bed, 'REM_ACCESS_ERR', remote, { qp: second });
    second.attachMemory(region);
    b.qp.detachMemory(region);
    expect(bed, 'REM_ACCESS_ERR', remote);
    expect(bed, 'SUCCESS', remote, { qp: second });
    second.close();
    for (const qp of [b.qp]) expect(bed, 'REM_ACCESS_ERR', remote, { qp });
    const other = b.context.allocatePd();
    const foreign = other.registerMemory(b.context.allocate(10), { access: [] });
    checkThrows('EINVAL', () => b.qp.attachMemory(foreign));
    region.deregister();
    bed.close();
  }),
  testCase('memory/attached-region-of-a-job (R098 R100)', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const otherKey = b.pd.createJobKey(b.context.createJob({ id: 8 }));
    const make = (jobKey: typeof otherKey) => b.pd.registerMemory(b.context.allocate(100), { access: ALL, jobKey });
    const [mine, others] = [make(b.jobKey), make(otherKey)];
    for (const region of [mine, others]) b.qp.attachMemory(region);
    expect(bed, 'SUCCESS', new RemoteMemory(mine.rkey));
    expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(others.rkey));
    check(zeros(others), 'memory of another job is untouched');
    bed.close();
  }),
  testCase('memory/chosen-key (R101)', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const { keyBits } = suite.transport.attributes;
    const key = BigInt.asUintN(keyBits, 0xbeef_1234_5678n);
    const options = { access: ALL, key };
    const region = b.pd.registerMemory(b.context.allocate(100), options);
    checkEqual(region.rkey, key, 'the key');
    checkThrows('EEXIST', () => b.pd.registerMemory(b.context.allocate(100), options));
    checkThrows('EEXIST', () => region.derive({ access: [], key }));
    checkThrows('EINVAL', () =>
      b.pd.registerMemory(b.context.allocate(100), { access: ALL, key: 1n << BigInt(keyBits) }),
    );
    const other = b.context.allocatePd().registerMemory(b.context.allocate(100), options);
    const mirror = a.pd.registerMemory(a.context.allocate(100), options);
    expect(bed, 'SUCCESS', new RemoteMemory(key));
    check(!zeros(region) && zeros(other) && zeros(mirror), 'each domain has its own');
    region.deregister();
    expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(key));
    check(b.pd.registerMemory(b.context.allocate(100), options).rkey === key, 'the key is free again');
    bed.close();
  }),
  ...([1, 2] as const).map((type) =>
    testCase(`memory/window-of-type-${type}`, (suite) => {
      const bed = suite.bed();
      const { b } = bed;
      const second = secondQp(b);
      const region = register(b, 4096, ['local-write', 'window-bind']);
      const mw = b.pd.allocateWindow({ type });
      expect(bed, 'REM_ACCESS_ERR', mw.remote);
      const first = mw.rkey;
      const access = ['remote-write'] as const;
      const bind = (offset: number, length: number) => () =>
        void b.qp.bindWindow(mw, { region, offset, length, access });
      checkEqual(own(bed, b, bind(1000, 100)), 'SUCCESS', 'the bind');
      checkEqual(b.sent.at(-1)!.opcode, 'bind', 'what has completed');
      checkEqual((mw.rkey ^ first) >> 8n, 0n, 'bits of the key that changed, without the low 8');
      check(mw.rkey !== first, 'the key is another');
      expect(bed, 'SUCCESS', mw.remote, { offset: 92 });
      check(region.bytes[1092] !== 0 && region.bytes[1091] === 0, 'the bytes are at the right place of the region');
      expect(bed, 'REM_ACCESS_ERR', mw.remote, { offset: 93 });
      for (const key of [region.rkey, first]) expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(key));
      expect(bed, type === 1 ? 'SUCCESS' : 'REM_ACCESS_ERR', mw.remote, { qp: second });
      checkThrows('EBUSY', () => region.deregister());
      checkThrows('EBUSY', () => region.invalidate());
      checkThrows('EBUSY', () => region.reregister({ access: [] }));
      const open = mw.rkey;
      if (type === 2) {
        checkEqual(own(bed, b, bind(0, 10)), 'MW_BIND_ERR', 'opening it twice');
        checkEqual(
          own(bed, b, () => b.qp.invalidate(open)),
          'SUCCESS',
          'closing it',
        );
        checkEqual(b.sent.at(-1)!.opcode, 'invalidate', 'what has completed');
        checkEqual(
          own(bed, b, () => b.qp.invalidate(open)),
          'MW_BIND_ERR',
          'closing it twice',
        );
      } else {
        checkEqual(own(bed, b, bind(0, 10)), 'SUCCESS', 'opening it elsewhere');
        expect(bed, 'SUCCESS', mw.remote, { offset: 2 });
        expect(bed, 'REM_ACCESS_ERR', mw.remote, { offset: 3 });
        checkEqual(own(bed, b, bind(0, 0)), 'SUCCESS', 'closing it');
      }
      for (const key of [open, mw.rkey]) expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(key));
      checkEqual(own(bed, b, bind(0, 10)), 'SUCCESS', 'opening it again');
      mw.free();
      expect(bed, 'REM_ACCESS_ERR', mw.remote);
      region.deregister();
      bed.close();
    }),
  ),
  testCase('memory/window-that-does-not-fit', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const mw = b.pd.allocateWindow({ type: 2 });
    const region = register(b, 100, ['local-write', 'window-bind']);
    const readOnly = register(b, 100, ['window-bind']);
    const closed = register(b, 100, ALL);
    const refused = (request: Parameters<EndQueuePair['bindWindow']>[1]) =>
      checkEqual(
        own(bed, b, () => void b.qp.bindWindow(mw, request)),
        'MW_BIND_ERR',
        'the bind',
      );
    refused({ region: closed, access: ['remote-read'] });
    refused({ region: readOnly, access: ['remote-write'] });
    for (const bit of [8n, 40n]) {
      const rkey = mw.rkey ^ (1n << bit);
      checkThrows('EINVAL', () => b.qp.bindWindow(mw, { region, access: ['remote-read'], rkey }));
    }
    refused({ region, access: ['remote-read'], length: 0 });
    const foreign = b.context.allocatePd().registerMemory(b.context.allocate(10), { access: ['window-bind'] });
    checkThrows('EINVAL', () => b.qp.bindWindow(mw, { region: foreign, access: [] }));
    checkThrows('EINVAL', () => b.qp.bindWindow(mw, { region, offset: 50, length: 51, access: [] }));
    const first = mw.rkey & ~0xffn;
    checkEqual(
      own(bed, b, () => void b.qp.bindWindow(mw, { region: readOnly, access: ['remote-read'], rkey: first | 0x77n })),
      'SUCCESS',
      'a bind that fits',
    );
    expect(bed, 'REM_ACCESS_ERR', mw.remote);
    bed.close();
  }),
  testCase('memory/windows-in-the-order-of-posting', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const region = register(b, 4096, ['local-write', 'window-bind']);
    const mw = b.pd.allocateWindow({ type: 2 });
    const sink = a.buffer(8);
    a.qp.postReceive({ ...sink.part() });
    // the message that tells of the key is posted behind the bind, and all at once
    const rkey = b.qp.bindWindow(mw, { region, access: ['remote-write'] });
    b.qp.post({ opcode: 'send', to: b.to(a), ...b.buffer(8, { salt: 1 }).part(), imm: rkey });
    b.qp.invalidate(rkey);
    bed.completed(b, 3, 0);
    bed.completed(a, 0, 1);
    for (const one of b.sent) checkStatus(one, 'SUCCESS');
    expect(bed, 'REM_ACCESS_ERR', new RemoteMemory(a.received[0]!.imm!));
    bed.close();
  }),
];
