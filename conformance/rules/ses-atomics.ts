/** Atomic operations: every operation, every type, what is refused. @spec uet:ses/2.10 · uet:ses/3.9 */
import {
  AmoDatatype,
  AmoOpcode,
  NextHeader,
  nameOf,
  ReturnCode,
  SesOpcode,
  SesResponseOpcode,
} from '@verbena/core/wire';
import { Broken, claim, type Rule, topic } from '../rule.ts';
import { atomic, type Body, compareSwap, type Fields, fill, medium, responseData, std } from '../tester/packets.ts';
import type { Peer } from '../tester/peer.ts';
import type { Tester } from '../tester/tester.ts';

const NEEDS = ['atomics', 'region:atomic'];
const rule = topic('ses-atomic', 'ses', { needs: NEEDS });
const initiator = topic('ses-atomic', 'ses', { role: 'initiator', needs: ['atomics', 'upper'] });
const { DEFAULT_RESPONSE, RESPONSE, RESPONSE_W_DATA } = SesResponseOpcode;
const { UINT64 } = AmoDatatype;
const MASK = (1n << 64n) - 1n;

interface Amo {
  readonly op: number;
  readonly type?: number;
  /** One element. */
  readonly value?: bigint;
  readonly compare?: bigint;
  readonly bytes?: Uint8Array;
}

/** An element in the order of the wire. */
function element(value: bigint, size = 8): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, value);
  for (let i = size - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

const sizeOf = (type: number): number => SIZES[type] ?? 8;
const isCompare = (op: number): boolean => op >= AmoOpcode.CSWAP && op <= AmoOpcode.CSWAP_GT;

function amoBody(t: Tester, { op, type = UINT64, value = 0n, compare, bytes }: Amo, values: Fields = {}): Body {
  const size = sizeOf(type);
  const fields = { amoOpcode: op, amoDatatype: type, semanticControl: 2 };
  const isSwap = isCompare(op);
  const extension = isSwap
    ? compareSwap({ ...fields, compareValue: element(compare ?? 0n, 16), swapValue: element(value, 16) })
    : atomic(fields);
  const payload = isSwap || op === AmoOpcode.READ ? fill(0) : (bytes ?? element(value, size));
  const own = {
    opcode: SesOpcode.FETCHING_ATOMIC,
    som: 1,
    eom: 1,
    messageId: t.messageId(),
    memoryKey: t.key('atomic'),
  };
  const where = { bufferOffset: placeOf(t), requestLength: payload.length > 0 ? payload.length : size };
  return std({ ...t.to(), ...own, ...where, ...values }, payload, extension);
}

/** Each case has 64 bytes of the region to itself. */
const placeOf = (t: Tester): number => (t.place / 4096) * 64;

/** Carries out a fetching atomic. @returns the old value as it travels */
async function fetch(t: Tester, peer: Peer, amo: Amo): Promise<Uint8Array> {
  const at = peer.send(amoBody(t, amo));
  const { data } = await peer.wantAck(at, { answer: RESPONSE_W_DATA, code: ReturnCode.OK });
  return data;
}

/** Sets a value, applies an operation, and compares what was there before and what is there after. */
async function wantEffect(t: Tester, before: bigint, amo: Amo, after: bigint): Promise<void> {
  const size = sizeOf(amo.type ?? UINT64);
  const peer = await t.opened();
  await fetch(t, peer, { ...amo, op: AmoOpcode.WRITE, value: before });
  wantValue('old', await fetch(t, peer, amo), element(before, size));
  wantValue('new', await fetch(t, peer, { ...amo, op: AmoOpcode.READ }), element(after, size));
}

function wantValue(what: string, got: Uint8Array, wanted: Uint8Array): void {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  if (Buffer.compare(got, wanted) !== 0) throw new Broken(`the ${what} value ${hex(wanted)}`, hex(got));
}

async function wantCode(t: Tester, amo: Amo, code: number, values: Fields = {}): Promise<void> {
  const peer = await t.opened();
  peer.send(amoBody(t, amo, values));
  await peer.wantAck(1, { answer: RESPONSE, code, req: 1 });
}

const A = 0xf0f0_1234_5678_9abcn;
const B = 0x0ff0_0000_0000_0ff7n;
/** Operation, second operand, what becomes of A. */
const EFFECTS: readonly [op: keyof typeof AmoOpcode, operand: bigint, after: bigint][] = [
  ['MIN', B, B],
  ['MAX', B, A],
  ['SUM', B, (A + B) & MASK],
  ['DIFF', B, (A - B) & MASK],
  ['PROD', 3n, (A * 3n) & MASK],
  ['LOR', 0n, 1n],
  ['LAND', 0n, 0n],
  ['LXOR', 5n, 0n],
  ['BOR', B, A | B],
  ['BAND', B, A & B],
  ['BXOR', B, A ^ B],
  ['WRITE', B, B],
];
/** Comparison, value compared with, whether B is put there in the place of A. @spec uet:ses/2.10: compare OP target */
const SWAPS: readonly [op: keyof typeof AmoOpcode, compare: bigint, isSwapped: boolean][] = [
  ['CSWAP', A, true],
  ['CSWAP', A + 1n, false],
  ['CSWAP_NE', A, false],
  ['CSWAP_NE', A + 1n, true],
  ['CSWAP_LE', A, true],
  ['CSWAP_LE', A + 1n, false],
  ['CSWAP_LT', A, false],
  ['CSWAP_LT', A - 1n, true],
  ['CSWAP_GE', A, true],
  ['CSWAP_GE', A - 1n, false],
  ['CSWAP_GT', A, false],
  ['CSWAP_GT', A + 1n, true],
];
/** Bytes of an element. */
const SIZES: Readonly<Record<number, number>> = {
  ...{ 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 8, 7: 8, 8: 16, 9: 16, 10: 4, 11: 8 },
};
const INTEGERS = [
  'INT8',
  'UINT8',
  'INT16',
  'UINT16',
  'INT32',
  'UINT32',
  'INT64',
  'UINT64',
  'INT128',
  'UINT128',
] as const;

export const SES_ATOMICS: readonly Rule[] = [
  ...EFFECTS.map(([op, value, after]) =>
    rule(op.toLowerCase(), '2.10', `${op} on UINT64 returns the value that was there, and leaves the result`, (t) =>
      wantEffect(t, A, { op: AmoOpcode[op], value }, after),
    ),
  ),
  ...SWAPS.map(([op, compare, isSwapped]) =>
    rule(
      `${op.toLowerCase().replace('_', '-')}-${isSwapped ? 'swaps' : 'keeps'}`,
      '2.10',
      `${op}: ${isSwapped ? 'the value is swapped when the comparison holds' : 'the value stays when it does not hold'}`,
      (t) => wantEffect(t, A, { op: AmoOpcode[op], value: B, compare }, isSwapped ? B : A),
    ),
  ),
  ...INTEGERS.map((name) =>
    rule(
      `sum-${name.toLowerCase()}`,
      '2.10',
      `SUM on ${name} wraps round at its size, and touches no neighbour`,
      async (t) => {
        const type = AmoDatatype[name];
        const size = sizeOf(type);
        const peer = await t.opened();
        const most = (1n << BigInt(size * 8)) - 1n;
        await fetch(t, peer, { op: AmoOpcode.WRITE, type, value: most });
        wantValue('old', await fetch(t, peer, { op: AmoOpcode.SUM, type, value: 2n }), element(most, size));
        wantValue('new', await fetch(t, peer, { op: AmoOpcode.READ, type }), element(1n, size));
      },
    ),
  ),
  rule('signed-min', '2.10', 'MIN on INT32 knows signs', (t) =>
    wantEffect(t, 5n, { op: AmoOpcode.MIN, type: AmoDatatype.INT32, value: 0xffff_fffen }, 0xffff_fffen),
  ),
  rule('sum-float', '2.10', 'SUM on FLOAT adds the way IEEE 754 does', (t) =>
    wantEffect(t, 0x3fc0_0000n, { op: AmoOpcode.SUM, type: AmoDatatype.FLOAT, value: 0x4010_0000n }, 0x4070_0000n),
  ),
  rule('sum-double', '2.10', 'SUM on DOUBLE adds the way IEEE 754 does', (t) =>
    wantEffect(
      t,
      0x3ff8_0000_0000_0000n,
      { op: AmoOpcode.SUM, type: AmoDatatype.DOUBLE, value: 0x4002_0000_0000_0000n },
      0x400e_0000_0000_0000n,
    ),
  ),
  rule(
    'fields',
    '2.11',
    'the result comes with the message id of the request and its length, kept until it is cleared',
    async (t) => {
      const peer = await t.opened();
      peer.send(amoBody(t, { op: AmoOpcode.SUM, value: 1n }, { messageId: 0x404 }));
      await peer.wantAck(1, {
        next: NextHeader.RESPONSE_DATA,
        readId: 0x404,
        pieceLength: 8,
        messageOffset: 0,
        req: 1,
        cack: 0,
      });
    },
  ),
  rule('once', '3.9', 'a repeated atomic is carried out once, and returns the same value again', async (t) => {
    const peer = await t.opened();
    await fetch(t, peer, { op: AmoOpcode.WRITE, value: 100n });
    const body = amoBody(t, { op: AmoOpcode.SUM, value: 1n });
    peer.send(body);
    wantValue('old', (await peer.wantAck(2)).data, element(100n));
    peer.send(body, { at: 2, retx: true, clear: 1 });
    wantValue('old', (await peer.wantAck(2)).data, element(100n));
    peer.next = 3;
    wantValue('new', await fetch(t, peer, { op: AmoOpcode.READ }), element(101n));
  }),
  rule('without-result', '3.9', 'an atomic that fetches nothing is answered by a default response', async (t) => {
    const peer = await t.opened();
    peer.send(amoBody(t, { op: AmoOpcode.WRITE, value: 55n }, { opcode: SesOpcode.ATOMIC }));
    await peer.wantAck(1, { answer: DEFAULT_RESPONSE, code: ReturnCode.OK, data: new Uint8Array() });
    wantValue('new', await fetch(t, peer, { op: AmoOpcode.READ }), element(55n));
  }),
  rule('array', '3.9', 'operands may be an array: each element is treated on its own', async (t) => {
    const peer = await t.opened();
    await fetch(t, peer, { op: AmoOpcode.WRITE, bytes: new Uint8Array([...element(1n), ...element(2n)]) });
    const sums = new Uint8Array([...element(10n), ...element(20n)]);
    wantValue(
      'old',
      await fetch(t, peer, { op: AmoOpcode.SUM, bytes: sums }),
      new Uint8Array([...element(1n), ...element(2n)]),
    );
    wantValue(
      'new',
      await fetch(t, peer, { op: AmoOpcode.SUM, bytes: new Uint8Array(16) }),
      new Uint8Array([...element(11n), ...element(22n)]),
    );
  }),
  rule('large-result', '3.9', 'a result longer than 16 bytes comes in the return direction', async (t) => {
    const peer = await t.opened();
    peer.send(amoBody(t, { op: AmoOpcode.SUM, bytes: new Uint8Array(32) }));
    await peer.wantAck(1, { code: ReturnCode.OK });
    await peer.wantData({ pieceLength: 32, code: ReturnCode.OK });
    peer.answer(0, { opcode: 0, returnCode: 1 });
  }),
  rule('medium', '2.6', 'the extension may follow a MEDIUM header', async (t) => {
    const peer = await t.opened();
    const values = {
      opcode: SesOpcode.FETCHING_ATOMIC,
      som: 1,
      eom: 1,
      memoryKey: t.key('atomic'),
      bufferOffset: placeOf(t),
      requestLength: 8,
    };
    peer.send(
      medium(
        { ...t.to(), ...values },
        element(1n),
        atomic({ amoOpcode: AmoOpcode.SUM, amoDatatype: UINT64, semanticControl: 2 }),
      ),
    );
    await peer.wantAck(1, { code: ReturnCode.OK, next: NextHeader.RESPONSE_DATA_SMALL, requestPsn: 1 });
  }),
  rule(
    'compare-32',
    '9 D-11',
    'a compare-and-swap may say 32 bytes as its length',
    async (t) => {
      const peer = await t.opened();
      peer.send(amoBody(t, { op: AmoOpcode.CSWAP, compare: 1n, value: 2n }, { requestLength: 32 }));
      await peer.wantAck(1, { code: ReturnCode.OK });
    },
    { level: 'choice' },
  ),
  rule('unknown-op', '1.4 row 21', 'an operation that is not known: AMO_UNSUPPORTED_OP', (t) =>
    wantCode(t, { op: 0x15 }, ReturnCode.AMO_UNSUPPORTED_OP),
  ),
  rule(
    'mswap',
    '9 D-10',
    'MSWAP has no place for its mask: AMO_UNSUPPORTED_OP',
    (t) => wantCode(t, { op: AmoOpcode.MSWAP }, ReturnCode.AMO_UNSUPPORTED_OP),
    { level: 'choice' },
  ),
  rule('unknown-type', '1.4 row 21', 'a type that is not known: AMO_UNSUPPORTED_DT', (t) =>
    wantCode(t, { op: AmoOpcode.SUM, type: 0x50 }, ReturnCode.AMO_UNSUPPORTED_DT),
  ),
  rule(
    'float-bits',
    '1.4 row 21',
    'bits of a number that is no integer: AMO_UNSUPPORTED_OP or AMO_UNSUPPORTED_DT',
    async (t) => {
      const peer = await t.opened();
      peer.send(amoBody(t, { op: AmoOpcode.BXOR, type: AmoDatatype.FLOAT, value: 1n }));
      const { code } = await peer.wantAck(1);
      claim(
        code === ReturnCode.AMO_UNSUPPORTED_OP || code === ReturnCode.AMO_UNSUPPORTED_DT,
        'AMO_UNSUPPORTED_OP or _DT',
        nameOf(ReturnCode, code),
      );
    },
  ),
  rule('size', '3.9', 'a length that is no whole number of elements: AMO_UNSUPPORTED_SIZE', (t) =>
    wantCode(t, { op: AmoOpcode.SUM, bytes: fill(12) }, ReturnCode.AMO_UNSUPPORTED_SIZE),
  ),
  rule('unaligned', '3.9', 'a place that is not aligned: AMO_UNALIGNED', (t) =>
    wantCode(t, { op: AmoOpcode.SUM, value: 1n }, ReturnCode.AMO_UNALIGNED, { bufferOffset: placeOf(t) + 4 }),
  ),
  rule(
    'right',
    '5.2',
    'memory that is not open to atomics: OP_VIOLATION',
    (t) =>
      wantCode(t, { op: AmoOpcode.SUM, value: 1n }, ReturnCode.OP_VIOLATION, {
        memoryKey: t.key('readOnly'),
        bufferOffset: 0,
      }),
    { needs: [...NEEDS, 'region:readOnly'] },
  ),
  rule('key', '1.4 row 14', 'a key that names nothing: BAD_MKEY', (t) =>
    wantCode(t, { op: AmoOpcode.SUM, value: 1n }, ReturnCode.BAD_MKEY, { memoryKey: 5n }),
  ),
  rule('range', '1.4 row 18', 'elements beyond the region: BAD_ADDR', (t) =>
    wantCode(t, { op: AmoOpcode.SUM, value: 1n }, ReturnCode.BAD_ADDR, { bufferOffset: t.regionOf('atomic').bytes }),
  ),
  rule('refused-changes-nothing', '1.4', 'an atomic that is refused changes nothing', async (t) => {
    const peer = await t.opened();
    await fetch(t, peer, { op: AmoOpcode.WRITE, value: 9n });
    peer.send(amoBody(t, { op: 0x15, value: 1n }));
    await peer.wantAck(2, { code: ReturnCode.AMO_UNSUPPORTED_OP });
    wantValue('same', await fetch(t, peer, { op: AmoOpcode.READ }), element(9n));
  }),
  rule('cut', '2.18', 'an extension that is cut short is refused by PDS or SES', async (t) => {
    const peer = await t.opened();
    peer.send(amoBody(t, { op: AmoOpcode.SUM, value: 1n }), { patch: (bytes) => bytes.slice(0, 12 + 44 + 2) });
    const seen = await peer.wantAny();
    claim(seen.kind === 'nack' || seen.code !== ReturnCode.OK, 'a refusal', seen.kind);
  }),

  initiator(
    'fetch-add',
    '3.9',
    'a fetch-and-add travels as FETCHING_ATOMIC with SUM on UINT64, and takes its result from the answer',
    async (t) => {
      const { peer, queue, request, first } = await t.accepts({ operation: 'fetch-add', add: '5', length: 8 });
      claim(
        first.ses['opcode'] === SesOpcode.FETCHING_ATOMIC && first.ses['requestLength'] === 8,
        'FETCHING_ATOMIC of 8 bytes',
        first.ses['opcode'],
      );
      claim(
        first.amo['amoOpcode'] === AmoOpcode.SUM && first.amo['amoDatatype'] === UINT64,
        'SUM on UINT64',
        first.amo['amoOpcode'],
      );
      wantValue('operand', first.data, element(5n));
      const values = {
        readRequestMessageId: Number(first.ses['messageId'] ?? 0),
        modifiedLength: 8,
        jobId: t.endpoint.job,
      };
      peer.ack(0, { body: responseData(values, element(77n)), cack: -1, req: 1 });
      const { status } = await t.completion(queue, request);
      claim(status === 'SUCCESS', 'SUCCESS', status);
    },
  ),
  initiator(
    'compare-swap',
    '2.6',
    'a compare-and-swap carries both values in its extension, and no payload',
    async (t) => {
      const { first } = await t.accepts({ operation: 'cmp-swap', compare: '1', swap: '2', length: 8 });
      claim(first.amo['amoOpcode'] === AmoOpcode.CSWAP, 'CSWAP', first.amo['amoOpcode']);
      wantValue('pair of', first.data, new Uint8Array([...element(1n, 16), ...element(2n, 16)]));
    },
  ),
  initiator('refused', '2.12', 'a refusal fails it with its code', async (t) => {
    const { peer, queue, request } = await t.accepts({ operation: 'fetch-add', add: '5', length: 8 });
    peer.answer(0, { opcode: RESPONSE, returnCode: ReturnCode.AMO_UNALIGNED });
    const { status, vendorStatus } = await t.completion(queue, request);
    claim(
      status !== 'SUCCESS' && vendorStatus === ReturnCode.AMO_UNALIGNED,
      'a failure by AMO_UNALIGNED',
      `${status} 0x${vendorStatus.toString(16)}`,
    );
  }),
];
