/** What can be wrong with a request, found when it is posted, and how it is explained. */
import { type ErrorCode, VerbsError } from '../base/verbs-error.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../engine/work.ts';
import type { ReceiveRequest, WorkRequest } from './work-request.ts';

export const RequestFault = {
  NONE: 0,
  ID: 1,
  OPCODE: 2,
  NO_REMOTE: 3,
  REMOTE_OFFSET: 4,
  READ_WITH_IMM: 5,
  READ_INLINE: 6,
  IMM: 7,
  NO_JOB: 8,
  FOREIGN_JOB_KEY: 9,
  FOREIGN_ADDRESS: 10,
  NO_ADDRESS: 11,
  ADDRESS_INDEX: 12,
  QPN: 13,
  INLINE_LENGTH: 14,
  TWO_SOURCES: 15,
  NO_REGION: 16,
  SEGMENTS: 17,
  FOREIGN_REGION: 18,
  OUT_OF_BOUNDS: 19,
  ADDRESS_CONNECTED: 20,
  QKEY: 21,
  OPERAND: 22,
  INVALIDATE: 23,
  INVALIDATE_WITH_IMM: 24,
  INVALIDATE_NOT_SEND: 25,
  TAG: 26,
  NOT_MATCHING: 27,
  ATOMIC: 28,
  ATOMIC_RESULT: 29,
} as const;

/** The error for a fault. */
export function invalidRequest(
  fault: number,
  request: WorkRequest | ReceiveRequest,
  queue: { describe(): string },
): VerbsError {
  const [problem, advice, code = 'EINVAL'] = TEXTS[fault] ?? ['the request is wrong', 'see the documentation'];
  const call = 'opcode' in request ? 'post' : 'postReceive';
  return new VerbsError(code, call, problem, { object: queue.describe(), given: given(request), try: advice });
}

function given(request: WorkRequest | ReceiveRequest): string {
  const named = Object.entries(request).filter(([, value]) => value !== undefined);
  const parts = named.map(([name, value]) => {
    if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string') return `${name} ${value}`;
    if (name === 'region') return `region of ${(value as { length: number }).length} bytes`;
    return name;
  });
  return parts.join(', ');
}

const TEXTS: Readonly<Record<number, readonly [problem: string, advice: string, code?: ErrorCode]>> = {
  [RequestFault.ID]: ['`id` is no whole number of 64 bits', 'a number up to 2^53 - 1, or a bigint below 2^64'],
  [RequestFault.OPCODE]: [
    'there is no such opcode',
    "'send', 'tagged-send', 'write', 'read', 'cmp-swap', 'fetch-add', 'atomic' or 'fetching-atomic'",
  ],
  [RequestFault.NO_REMOTE]: ['the request does not say which remote memory', 'remote: new RemoteMemory(rkey)'],
  [RequestFault.REMOTE_OFFSET]: ['`remoteOffset` is no offset', 'a whole number from 0, or a bigint below 2^64'],
  [RequestFault.READ_WITH_IMM]: ['reads and atomics carry no immediate data', "leave `imm` out, or use 'write'"],
  [RequestFault.READ_INLINE]: ['reads and atomics need registered memory to write to', 'region, offset and length'],
  [RequestFault.IMM]: ['`imm` is no whole number of 64 bits', 'a number up to 2^53 - 1, or a bigint below 2^64'],
  [RequestFault.NO_JOB]: [
    'the request works for no job',
    'jobKey in the request or at the creation of the queue pair: pd.createJobKey(job)',
  ],
  [RequestFault.FOREIGN_JOB_KEY]: [
    'the job key is destroyed, or of another protection domain',
    'a job key of the protection domain of the queue pair',
  ],
  [RequestFault.FOREIGN_ADDRESS]: [
    'the address handle is destroyed, or of another protection domain',
    'an address handle of the protection domain of the queue pair',
  ],
  [RequestFault.NO_ADDRESS]: ['the request does not say where to', '`to` or `toIndex`'],
  [RequestFault.ADDRESS_INDEX]: ['the address table of the job has no such index', 'an index below `maxAddresses`'],
  [RequestFault.QPN]: ['`qpn` is no queue pair number', 'a whole number of 32 bits'],
  [RequestFault.INLINE_LENGTH]: [`more than ${MAX_INLINE} inline bytes`, 'a registered region for longer messages'],
  [RequestFault.TWO_SOURCES]: ['data is named in two ways', 'one of `region`, `segments` and `inline`'],
  [RequestFault.NO_REGION]: ['a length without memory', 'region, segments or inline'],
  [RequestFault.SEGMENTS]: [
    `more than ${MAX_SEGMENTS} segments`,
    `up to ${MAX_SEGMENTS} segments, or several requests`,
  ],
  [RequestFault.FOREIGN_REGION]: [
    'the memory region is deregistered, or of another protection domain',
    'a region of the protection domain of the queue pair',
  ],
  [RequestFault.ADDRESS_CONNECTED]: [
    'a connected queue pair has one peer, and requests name none',
    'the request without `to`, `toIndex`, `qpn` and `jobKey`',
  ],
  [RequestFault.QKEY]: ['`qkey` is no queue key', 'a whole number of 32 bits'],
  [RequestFault.OPERAND]: ['an operand is missing, or no whole number of 64 bits', '`compare` and `swap`, or `add`'],
  [RequestFault.INVALIDATE]: ['`invalidate` is no key of 64 bits', 'a key that the peer gave'],
  [RequestFault.INVALIDATE_WITH_IMM]: [
    'a message carries immediate data or a key to end, not both',
    'one of `imm` and `invalidate`',
  ],
  [RequestFault.INVALIDATE_NOT_SEND]: ["only 'send' ends a key of the peer", "opcode: 'send', or without `invalidate`"],
  [RequestFault.TAG]: [
    'a tag is missing, or no whole number of 64 bits',
    'a number up to 2^53 - 1, or a bigint below 2^64',
  ],
  [RequestFault.NOT_MATCHING]: [
    'the queue pair gives receives out in turn, and does not match',
    'matching: true at the creation of the queue pair',
  ],
  [RequestFault.ATOMIC]: [
    'the request does not say what is done to which type',
    "`atomicOp: 'SUM', atomicType: 'UINT64'`",
  ],
  [RequestFault.ATOMIC_RESULT]: [
    'the segments do not fit the operation',
    "`result` for 'fetching-atomic' only, `comparand` where it compares, operands in one region or segments",
  ],
  [RequestFault.OUT_OF_BOUNDS]: ['the data lies outside the region', 'offset + length up to the length of the region'],
};
