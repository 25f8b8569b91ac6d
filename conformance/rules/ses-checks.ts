/** What a target checks before it carries out a request, row by row, and in which order. @spec uet:ses/1.4 */
import { NextHeader, nameOf, ReturnCode, SesOpcode, SesResponseOpcode } from '@verbena/core/wire';
import { type Rule, topic } from '../rule.ts';
import type { Body, Fields } from '../tester/packets.ts';
import type { Tester } from '../tester/tester.ts';

const rule = topic('ses-check', 'ses');

/** Sends one request on a new context and expects its code. */
async function wantCode(t: Tester, body: Body, code: number): Promise<void> {
  const peer = t.opens();
  peer.send(body);
  const isFine = code === ReturnCode.OK;
  await peer.wantAck(0, isFine ? { code } : { code, answer: SesResponseOpcode.RESPONSE, req: 1, cack: -1 });
}

interface Row {
  readonly id: string;
  readonly row: number;
  readonly what: string;
  readonly code: number;
  readonly values: (t: Tester) => Fields;
  readonly needs?: readonly string[];
}

/** Faults of a WRITE, in the order in which they are looked for. */
const ROWS: readonly Row[] = [
  { id: 'version', row: 1, what: 'a header version other than 0', code: ReturnCode.UNCOR, values: () => ({ ver: 1 }) },
  {
    id: 'opcode',
    row: 2,
    what: 'an opcode that is not known',
    code: ReturnCode.UNSUPPORTED_OP,
    values: () => ({ opcode: 0x2f }),
  },
  {
    id: 'job',
    row: 3,
    what: 'a job that is not here',
    code: ReturnCode.BAD_JOB_ID,
    values: () => ({ jobId: 0xabcdef }),
  },
  {
    id: 'process',
    row: 4,
    what: 'a process that is not here',
    code: ReturnCode.BAD_PID,
    values: () => ({ pidOnFep: 0xeee }),
  },
  {
    id: 'index',
    row: 5,
    what: 'a resource index that is not here',
    code: ReturnCode.BAD_INDEX,
    values: () => ({ resourceIndex: 0xfff }),
  },
  {
    id: 'length',
    row: 11,
    what: 'a first packet shorter than its message and the payload MTU',
    code: ReturnCode.OP_VIOLATION,
    values: () => ({ requestLength: 9 }),
  },
  {
    id: 'key',
    row: 14,
    what: 'a key that names nothing',
    code: ReturnCode.BAD_MKEY,
    values: () => ({ memoryKey: 0xdead_beefn }),
  },
  {
    id: 'region-job',
    row: 15,
    what: 'a region of another job',
    code: ReturnCode.PERM_VIOLATION,
    values: (t) => ({ memoryKey: t.key('foreign'), bufferOffset: 0 }),
    needs: ['region:foreign'],
  },
  {
    id: 'right',
    row: 16,
    what: 'a right that the region does not give',
    code: ReturnCode.OP_VIOLATION,
    values: (t) => ({ memoryKey: t.key('readOnly'), bufferOffset: 0 }),
    needs: ['region:readOnly'],
  },
  {
    id: 'range',
    row: 18,
    what: 'bytes beyond the region',
    code: ReturnCode.BAD_ADDR,
    values: (t) => ({ bufferOffset: t.regionOf('open').bytes - 4 }),
  },
];

const nameOfCode = (code: number): string => nameOf(ReturnCode, code);

const single = ROWS.map(
  ({ id, row, what, code, values, needs = [] }): Rule =>
    rule(
      id,
      `1.4 row ${row}`,
      `${what} is answered by ${nameOfCode(code)}, kept until it is cleared`,
      (t) => wantCode(t, t.write(values(t)), code),
      { needs },
    ),
);

const ordered = ROWS.flatMap((one, i) =>
  ROWS.slice(i + 1).flatMap((other): Rule[] => {
    if (isOneField(one, other)) return [];
    return [
      rule(
        `${one.id}-before-${other.id}`,
        `1.4 row ${one.row}`,
        `${one.what} counts before ${other.what}`,
        (t) => wantCode(t, t.write({ ...other.values(t), ...one.values(t) }), one.code),
        {
          needs: [...(one.needs ?? []), ...(other.needs ?? [])],
          level: 'should',
        },
      ),
    ];
  }),
);

/** Both faults cannot be in one packet. */
function isOneField(one: Row, other: Row): boolean {
  const ofRegion = new Set(['key', 'region-job', 'right', 'range']);
  return ofRegion.has(one.id) && ofRegion.has(other.id) && !(one.id === 'key' && other.id === 'range');
}

/** Opcodes that mean nothing in version 1.0. */
const RESERVED_OPCODES = [0x10, 0x11, 0x20, 0x30, 0x3e, 0x3f];

export const SES_CHECKS: readonly Rule[] = [
  rule('fine', '1.4', 'a request without fault is answered by OK', (t) => wantCode(t, t.write(), ReturnCode.OK)),
  ...single,
  ...ordered,
  ...RESERVED_OPCODES.map((opcode) =>
    rule(
      `opcode-${opcode.toString(16)}`,
      '2.7',
      `opcode 0x${opcode.toString(16)}, reserved or a vendor's, is answered by UNSUPPORTED_OP`,
      (t) => wantCode(t, t.write({ opcode }), ReturnCode.UNSUPPORTED_OP),
    ),
  ),
  rule('datagram-on-context', '2.7', 'DATAGRAM_SEND is no operation of a delivery context: UNSUPPORTED_OP', (t) =>
    wantCode(t, t.sends({ opcode: SesOpcode.DATAGRAM_SEND }), ReturnCode.UNSUPPORTED_OP),
  ),
  rule(
    'job-zero',
    '1.1',
    'no request may be of job 0: BAD_JOB_ID',
    (t) => wantCode(t, t.write({ jobId: 0 }), ReturnCode.BAD_JOB_ID),
    {
      level: 'should',
    },
  ),
  rule(
    'other-job-process',
    '1.2',
    'a process belongs to its job: one of another job is not found',
    (t) => wantCode(t, t.write({ ...t.to(t.queueOf('stranger')), jobId: t.endpoint.job }), ReturnCode.BAD_PID),
    { needs: ['queue:stranger'], level: 'should' },
  ),
  rule(
    'absolute',
    '1.2',
    'absolute addressing finds a process by its number on the endpoint',
    (t) =>
      wantCode(
        t,
        t.write({ ...t.to(t.queueOf('absolute')), memoryKey: t.key('absolute'), bufferOffset: 0 }),
        ReturnCode.OK,
      ),
    { needs: ['queue:absolute', 'region:absolute'] },
  ),
  rule(
    'absolute-any-job',
    '1.2',
    'absolute queues take requests of every job',
    (t) =>
      wantCode(
        t,
        t.write({ ...t.to(t.queueOf('absolute')), jobId: 0x4321, memoryKey: t.key('absolute'), bufferOffset: 0 }),
        ReturnCode.OK,
      ),
    { needs: ['queue:absolute', 'region:absolute'] },
  ),
  rule(
    'absolute-region-job',
    '1.2',
    'except where a region is for one job: PERM_VIOLATION',
    (t) =>
      wantCode(
        t,
        t.write({
          ...t.to(t.queueOf('absolute')),
          jobId: 0x4321,
          memoryKey: t.key('absoluteForeign'),
          bufferOffset: 0,
        }),
        ReturnCode.PERM_VIOLATION,
      ),
    { needs: ['queue:absolute', 'region:absoluteForeign'] },
  ),
  rule(
    'absolute-apart',
    '1.2',
    'relative processes are not found by absolute addressing',
    (t) => wantCode(t, t.write({ rel: 0, pidOnFep: 1 }), ReturnCode.BAD_PID),
    { needs: ['queue:absolute'] },
  ),
  rule(
    'relative-apart',
    '1.2',
    'absolute processes are not found by relative addressing',
    (t) => wantCode(t, t.write({ ...t.to(t.queueOf('absolute')), rel: 1, jobId: t.endpoint.job }), ReturnCode.BAD_PID),
    { needs: ['queue:absolute'] },
  ),
  rule(
    'key-of-other-process',
    '5.1',
    'a key of another process names nothing',
    (t) => wantCode(t, t.write({ memoryKey: t.key('absolute'), bufferOffset: 0 }), ReturnCode.BAD_MKEY),
    { needs: ['region:absolute'] },
  ),
  rule(
    'read-right',
    '5.2',
    'a READ needs the right to read: OP_VIOLATION',
    (t) => wantCode(t, t.read(8, { memoryKey: t.key('writeOnly'), bufferOffset: 0 }), ReturnCode.OP_VIOLATION),
    { needs: ['read', 'region:writeOnly'] },
  ),
  rule(
    'read-range',
    '5.2',
    'a READ beyond the region: BAD_ADDR',
    (t) => wantCode(t, t.read(8, { bufferOffset: t.regionOf('open').bytes }), ReturnCode.BAD_ADDR),
    { needs: ['read'] },
  ),
  rule(
    'read-key',
    '5.2',
    'a READ by a key that names nothing: BAD_MKEY',
    (t) => wantCode(t, t.read(8, { memoryKey: 5n }), ReturnCode.BAD_MKEY),
    { needs: ['read'] },
  ),
  rule('range-end', '5.2', 'bytes up to the end of the region are fine', (t) =>
    wantCode(t, t.write({ bufferOffset: t.regionOf('open').bytes - 8 }), ReturnCode.OK),
  ),
  rule('range-wraps', '5.2', 'an offset near 2^64 does not wrap round: BAD_ADDR', (t) =>
    wantCode(t, t.write({ bufferOffset: 0xffff_ffff_ffff_fffcn }), ReturnCode.BAD_ADDR),
  ),
  rule('range-32', '5.2', 'an offset of 2^32 and more is not cut to 32 bits: BAD_ADDR', (t) =>
    wantCode(t, t.write({ bufferOffset: 0x1_0000_0000n }), ReturnCode.BAD_ADDR),
  ),
  rule('range-53', '5.2', 'nor one of 2^53 and more', (t) =>
    wantCode(t, t.write({ bufferOffset: 0x20_0000_0000_0000n }), ReturnCode.BAD_ADDR),
  ),
  rule('length-32', '5.2', 'a message of 2^32-1 bytes does not wrap round', async (t) => {
    const peer = t.opens();
    const [first] = t.message(2 * t.mtu, { requestLength: 0xffff_ffff, bufferOffset: 8 });
    peer.send(first!);
    await peer.wantAck(0, { code: ReturnCode.BAD_ADDR });
  }),
  rule(
    'zero-length-key',
    '5.2',
    'a WRITE of no bytes still needs a key',
    (t) => wantCode(t, t.write({ memoryKey: 5n }, new Uint8Array()), ReturnCode.BAD_MKEY),
    { level: 'should' },
  ),
  rule('initiator-error', '1.4 row 22', 'a packet whose source could not be read is answered by INITIATOR_ERROR', (t) =>
    wantCode(t, t.write({ ie: 1 }), ReturnCode.INITIATOR_ERROR),
  ),
  rule(
    'initiator-error-key',
    '1.4 row 22',
    'an earlier fault counts before it',
    (t) => wantCode(t, t.write({ ie: 1, jobId: 0xabcdef }), ReturnCode.BAD_JOB_ID),
    { level: 'should' },
  ),
  rule('small-send', '2.7', 'SEND with a SMALL header is no request: UNSUPPORTED_OP', (t) =>
    wantCode(t, t.smallBody({ opcode: SesOpcode.SEND }), ReturnCode.UNSUPPORTED_OP),
  ),
  rule('idempotent-flagged', '2.2', 'reserved bits of a request header are ignored', async (t) => {
    const peer = t.opens();
    const { bytes } = t.write();
    bytes[0] = bytes[0]! | 0xc0;
    bytes[8] = bytes[8]! | 0xf0;
    bytes[10] = bytes[10]! | 0xf0;
    peer.send({ next: NextHeader.REQUEST_STD, bytes });
    await peer.wantAck(0, { code: ReturnCode.OK });
  }),
  rule(
    'response-fields',
    '2.11',
    'a response has the message id and job of the request, no generation, and says that nothing was changed',
    async (t) => {
      const peer = t.opens();
      peer.send(t.write({ messageId: 0x5a5a, memoryKey: 5n }));
      await peer.wantAck(0, {
        messageId: 0x5a5a,
        jobId: t.endpoint.job,
        generation: 0,
        modified: 0,
        list: 0,
        next: NextHeader.RESPONSE,
      });
    },
  ),
  rule(
    'nothing-written',
    '1.4',
    'a request that is refused changes nothing',
    async (t) => {
      const peer = await t.opened();
      const before = await t.readBack(8);
      peer.send(t.write({ jobId: 0xabcdef }, Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)));
      await peer.wantAck(1, { code: ReturnCode.BAD_JOB_ID });
      const after = await t.readBack(8);
      if (Buffer.compare(before, after) !== 0) throw new Error('memory was changed');
    },
    { needs: ['read'] },
  ),
  rule('error-not-fatal', '2.12', 'an error of a request leaves its context alone', async (t) => {
    const peer = t.opens();
    peer.send(t.write({ memoryKey: 5n }));
    await peer.wantAck(0, { code: ReturnCode.BAD_MKEY });
    await t.wantAlive(peer);
  }),
];
