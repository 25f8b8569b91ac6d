/** What peers may not do: the right status, and memory as it was. */

import type { Completion } from '../../verbs/completion.ts';
import { RemoteMemory } from '../../verbs/remote-memory.ts';
import type { WorkRequest } from '../../verbs/work-request.ts';
import type { Bed, GuardedBuffer } from '../bed.ts';
import { checkEqual, checkStatus, type SuiteCase, testCase } from '../suite-case.ts';

/** A write and a read of `length` bytes that must both fail, one packet and many. */
function refused(
  bed: Bed,
  target: GuardedBuffer,
  remote: RemoteMemory,
  offset: number,
  ...statuses: Completion['status'][]
) {
  const { a, b } = bed;
  for (const length of [1, 8, 3 * bed.mtu + 1]) {
    const local = a.buffer(length, { salt: 9 });
    const sink = a.buffer(length);
    const before = a.sent.length;
    const at = { to: a.to(b), remote, remoteOffset: offset };
    const requests: readonly WorkRequest[] = [
      { opcode: 'write', ...local.part(), ...at },
      { opcode: 'write', ...local.part(), ...at, imm: 1 },
      { opcode: 'read', ...sink.part(), ...at },
    ];
    for (const [i, request] of requests.entries()) {
      if (request.imm !== undefined) b.postNotice();
      a.qp.post(request);
      bed.completed(a, before + i + 1, 0);
      checkStatus(a.sent[before + i], ...statuses);
    }
    target.expectUntouched();
    sink.expectUntouched();
    local.expectPattern(9);
  }
  bed.pass(1e9);
  checkEqual(b.received.filter(({ ok }) => ok).length, 0, 'messages at the peer');
}

/** After a refusal the queue pair works on. */
function stillWorks(bed: Bed): void {
  const { a, b } = bed;
  const [source, sink] = [a.buffer(100, { salt: 5 }), b.buffer(100)];
  const before = a.sent.length;
  a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: sink.remote });
  bed.completed(a, before + 1, 0);
  checkStatus(a.sent[before], 'SUCCESS');
  sink.expectPattern(5);
  bed.close();
}

export const ACCESS_CASES: readonly SuiteCase[] = [
  testCase('access/unknown-key', (suite) => {
    const bed = suite.bed();
    const target = bed.b.buffer(5000);
    refused(bed, target, new RemoteMemory(target.region.rkey ^ 0x10n), 0, 'REM_ACCESS_ERR');
    stillWorks(bed);
  }),
  testCase('access/missing-right', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const readable = b.buffer(5000, { access: ['remote-read'] });
    const writable = b.buffer(5000, { access: ['local-write', 'remote-write'] });
    const local = a.buffer(5000, { salt: 1 });
    const sink = a.buffer(5000);
    a.qp.post({ opcode: 'write', to: a.to(b), ...local.part(), remote: readable.remote });
    bed.completed(a, 1, 0);
    a.qp.post({ opcode: 'read', to: a.to(b), ...sink.part(), remote: writable.remote });
    bed.completed(a, 2, 0);
    for (const one of a.sent) checkStatus(one, 'REM_ACCESS_ERR');
    for (const one of [readable, writable, sink]) one.expectUntouched();
    stillWorks(bed);
  }),
  testCase('access/no-right-at-all', (suite) => {
    const bed = suite.bed();
    const target = bed.b.buffer(5000, { access: ['local-write'] });
    refused(bed, target, target.remote, 0, 'REM_ACCESS_ERR');
    stillWorks(bed);
  }),
  testCase('access/beyond-the-end', (suite) => {
    const bed = suite.bed();
    const target = bed.b.buffer(5000);
    refused(bed, target, new RemoteMemory(target.region.rkey), target.region.length, 'REM_ACCESS_ERR');
    stillWorks(bed);
  }),
  testCase('access/across-the-end', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const target = b.buffer(4 * bed.mtu);
    const [local, sink] = [a.buffer(3 * bed.mtu, { salt: 1 }), a.buffer(3 * bed.mtu)];
    const at = { to: a.to(b), remote: new RemoteMemory(target.region.rkey) };
    const remoteOffset = target.region.length - local.length + 1;
    a.qp.post({ opcode: 'write', ...local.part(), ...at, remoteOffset });
    bed.completed(a, 1, 0);
    a.qp.post({ opcode: 'read', ...sink.part(), ...at, remoteOffset });
    bed.completed(a, 2, 0);
    for (const one of a.sent) checkStatus(one, 'REM_ACCESS_ERR');
    for (const one of [target, sink]) one.expectUntouched();
    stillWorks(bed);
  }),
  ...[2n ** 53n, 2n ** 63n, 2n ** 64n - 1n].map((offset) =>
    testCase(`access/offset-${offset.toString(16)}`, (suite) => {
      const bed = suite.bed();
      const { a, b } = bed;
      const target = b.buffer(100);
      const local = a.buffer(100, { salt: 1 });
      a.qp.post({
        ...{ opcode: 'write', to: a.to(b), ...local.part() },
        ...{ remote: new RemoteMemory(target.region.rkey), remoteOffset: offset },
      });
      bed.completed(a, 1, 0);
      checkStatus(a.sent[0], 'REM_ACCESS_ERR');
      target.expectUntouched();
      stillWorks(bed);
    }),
  ),
  testCase('access/deregistered', (suite) => {
    const bed = suite.bed();
    const target = bed.b.buffer(5000);
    target.region.deregister();
    refused(bed, target, target.remote, 0, 'REM_ACCESS_ERR');
    stillWorks(bed);
  }),
  testCase('access/deregistered-under-way', (suite) => {
    const bed = suite.bed({ faults: { jitterNs: 100_000 } });
    const { a, b } = bed;
    const length = 300 * bed.mtu;
    const [target, local] = [b.buffer(length), a.buffer(length, { salt: 1 })];
    a.qp.post({ opcode: 'write', to: a.to(b), ...local.part(), remote: target.remote });
    bed.until('the first bytes to arrive', () => target.bytes[0] !== 0xee);
    target.region.deregister();
    const snapshot = target.region.bytes.slice();
    bed.completed(a, 1, 0);
    checkStatus(a.sent[0], 'REM_ACCESS_ERR');
    bed.pass(1e9);
    for (const [i, byte] of snapshot.entries()) {
      if (target.region.bytes[i] !== byte) throw new Error(`byte ${i} was written after deregister() returned`);
    }
    stillWorks(bed);
  }),
  testCase('access/other-protection-domain', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const other = b.context.allocatePd();
    const bytes = b.context.allocate(5000);
    const foreign = other.registerMemory(bytes, { access: ['local-write', 'remote-write', 'remote-read'] });
    refused(bed, b.buffer(10), new RemoteMemory(foreign.rkey), 0, 'REM_ACCESS_ERR');
    checkEqual(
      bytes.every((byte) => byte === 0),
      true,
      'foreign memory is untouched',
    );
    stillWorks(bed);
  }),
  testCase('access/region-of-another-job', (suite) => {
    const bed = suite.bed();
    const { b } = bed;
    const otherKey = b.pd.createJobKey(b.context.createJob({ id: 8 }));
    const target = b.buffer(5000, { jobKey: otherKey });
    refused(bed, target, target.remote, 0, 'REM_ACCESS_ERR');
    stillWorks(bed);
  }),
  testCase('access/region-of-the-same-job', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const [target, local] = [b.buffer(5000, { jobKey: b.jobKey }), a.buffer(5000, { salt: 1 })];
    a.qp.post({ opcode: 'write', to: a.to(b), ...local.part(), remote: target.remote });
    bed.completed(a, 1, 0);
    checkStatus(a.sent[0], 'SUCCESS');
    target.expectPattern(1);
    bed.close();
  }),
  testCase(
    'access/queue-pair-of-another-job (R202)',
    (suite) => {
      const bed = suite.bed({ ends: [{}, { job: 8 }] });
      const { a, b } = bed;
      const target = b.buffer(5000);
      refused(bed, target, target.remote, 0, 'REM_INV_RD_REQ_ERR');
      b.qp.postReceive(target.part());
      const before = a.sent.length;
      a.qp.post({ opcode: 'send', to: a.to(b), ...a.buffer(10).part() });
      bed.completed(a, before + 1, 0);
      checkStatus(a.sent[before], 'REM_INV_RD_REQ_ERR');
      target.expectUntouched();
      bed.close();
    },
    { jobsOnWire: true },
  ),
  testCase(
    'access/queue-pair-of-another-job-of-the-same-device',
    (suite) => {
      const bed = suite.bed({ ends: [{}, { job: 8 }] });
      const { a, b } = bed;
      b.context.createJob({ id: a.job.id });
      const target = b.buffer(5000);
      refused(bed, target, target.remote, 0, 'REM_INV_RD_REQ_ERR');
      bed.close();
    },
    { jobsOnWire: true },
  ),
  testCase('access/unknown-queue-pair (R202)', (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const target = b.buffer(5000);
    b.qp.postReceive(target.part());
    const nobody = a.pd.createAddressHandle({ address: b.node.address, qpn: b.qp.qpn ^ 0x5000 });
    const local = a.buffer(100, { salt: 1 });
    const requests: readonly WorkRequest[] = [
      { opcode: 'send', to: nobody, ...local.part() },
      { opcode: 'write', to: nobody, ...local.part(), remote: target.remote },
      { opcode: 'read', to: nobody, ...local.part(), remote: target.remote },
    ];
    for (const [i, request] of requests.entries()) {
      a.qp.post(request);
      bed.completed(a, i + 1, 0);
      // a transport either says that nobody is there, or says nothing
      checkStatus(a.sent[i], 'REM_INV_RD_REQ_ERR', ...(suite.connected ? (['RETRY_EXC_ERR'] as const) : []));
    }
    target.expectUntouched();
    local.expectPattern(1);
    checkEqual(b.received.length, 0, 'completions at the peer');
    stillWorks(bed);
  }),
];
