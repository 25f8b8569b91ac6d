/** SES return codes: what each means to the initiator. @spec uet:ses/2.12 verbs/5.12 */
import type { CodeTable } from '../../base/code-table.ts';
import { AccessFault, Status } from '../../engine/status.ts';
import { ReturnCode } from '../../wire/uet/ses.ts';

/** What the initiator does with a code. */
export type Reaction = 'complete' | 'fail' | 'retry' | 'regenerate';

export interface ReturnCodeRow {
  readonly name: string;
  readonly text: string;
  readonly reaction: Reaction;
  /** Completion status when it fails, or when retries are used up. */
  readonly status: number;
  /** Error of the fabric API in the same case, a libfabric number. */
  readonly fabricError: number;
}

/** libfabric's numbers; those below 256 are Linux's. @spec uet:ses/2.12 */
const FI = {
  ...{ EIO: 5, EACCES: 13, EFAULT: 14, EINVAL: 22, EMSGSIZE: 90, EOPNOTSUPP: 95, EHOSTUNREACH: 113, ECANCELED: 125 },
  ...{ EKEYREJECTED: 129, EOTHER: 256, ETRUNC: 265, ENORX: 269 },
} as const;

const fail = (name: string, text: string, status: number, error: keyof typeof FI): ReturnCodeRow => ({
  ...{ name, text, reaction: 'fail', status, fabricError: FI[error] },
});
const retry = (name: string, text: string, status: number): ReturnCodeRow => ({
  ...fail(name, text, status, 'ENORX'),
  reaction: 'retry',
});

const NAMED: readonly ReturnCodeRow[] = [
  { name: 'NULL', text: 'status not known yet', reaction: 'complete', status: Status.SUCCESS, fabricError: 0 },
  { name: 'OK', text: 'success', reaction: 'complete', status: Status.SUCCESS, fabricError: 0 },
  {
    name: 'BAD_GENERATION',
    text: 'the resource index has another generation; the response carries it',
    reaction: 'regenerate',
    status: Status.REM_OP_ERR,
    fabricError: FI.EIO,
  },
  retry('DISABLED', 'the resource index is disabled', Status.RNR_RETRY_EXC_ERR),
  retry('DISABLED_GEN', 'the resource index is disabled until receives are posted', Status.RNR_RETRY_EXC_ERR),
  retry('NO_MATCH', 'no receive buffer', Status.RNR_RETRY_EXC_ERR),
  fail('UNSUPPORTED_OP', 'operation not supported', Status.REM_INV_REQ_ERR, 'EOPNOTSUPP'),
  fail('UNSUPPORTED_SIZE', 'size not supported', Status.REM_INV_REQ_ERR, 'EMSGSIZE'),
  fail('AT_INVALID', 'invalid translation context', Status.REM_ACCESS_ERR, 'EFAULT'),
  fail('AT_PERM', 'translation permission failure', Status.REM_ACCESS_ERR, 'EACCES'),
  fail('AT_ATS_ERROR', 'translation request failed', Status.REM_OP_ERR, 'EIO'),
  fail('AT_NO_TRANS', 'no translation available', Status.REM_ACCESS_ERR, 'EFAULT'),
  fail('AT_OUT_OF_RANGE', 'virtual address out of range', Status.REM_ACCESS_ERR, 'EFAULT'),
  fail('HOST_POISONED', 'host memory is poisoned', Status.REM_OP_ERR, 'EIO'),
  fail('HOST_UNSUCCESS_CMPL', 'host memory could not be read', Status.REM_OP_ERR, 'EIO'),
  fail('AMO_UNSUPPORTED_OP', 'atomic operation not supported', Status.REM_INV_REQ_ERR, 'EOPNOTSUPP'),
  fail('AMO_UNSUPPORTED_DT', 'atomic datatype not supported', Status.REM_INV_REQ_ERR, 'EOPNOTSUPP'),
  fail('AMO_UNSUPPORTED_SIZE', 'size is no multiple of the datatype', Status.REM_INV_REQ_ERR, 'EINVAL'),
  fail('AMO_UNALIGNED', 'operand not aligned', Status.REM_INV_REQ_ERR, 'EINVAL'),
  fail('AMO_FP_NAN', 'floating point: not a number', Status.REM_INV_REQ_ERR, 'EIO'),
  fail('AMO_FP_UNDERFLOW', 'floating point underflow', Status.REM_INV_REQ_ERR, 'EIO'),
  fail('AMO_FP_OVERFLOW', 'floating point overflow', Status.REM_INV_REQ_ERR, 'EIO'),
  fail('AMO_FP_INEXACT', 'floating point result inexact', Status.REM_INV_REQ_ERR, 'EIO'),
  fail('PERM_VIOLATION', 'the job may not use that resource', Status.REM_ACCESS_ERR, 'EACCES'),
  fail(
    'OP_VIOLATION',
    'the region does not allow that operation, or the request contradicts itself',
    Status.REM_ACCESS_ERR,
    'EACCES',
  ),
  fail('BAD_INDEX', 'no such resource index', Status.REM_INV_RD_REQ_ERR, 'EHOSTUNREACH'),
  fail('BAD_PID', 'no such PIDonFEP', Status.REM_INV_RD_REQ_ERR, 'EHOSTUNREACH'),
  fail('BAD_JOB_ID', 'no such job there', Status.REM_INV_RD_REQ_ERR, 'EACCES'),
  fail('BAD_MKEY', 'the memory key names nothing', Status.REM_ACCESS_ERR, 'EKEYREJECTED'),
  fail('BAD_ADDR', 'beyond the end of the region', Status.REM_ACCESS_ERR, 'EFAULT'),
  fail('CANCELLED', 'cancelled by the target', Status.REM_ABORT_ERR, 'ECANCELED'),
  fail('UNDELIVERABLE', 'could not be delivered', Status.RETRY_EXC_ERR, 'EHOSTUNREACH'),
  fail('UNCOR', 'uncorrectable error', Status.REM_OP_ERR, 'EIO'),
  fail('UNCOR_TRNSNT', 'transient uncorrectable error', Status.REM_OP_ERR, 'EIO'),
  fail('TOO_LONG', 'longer than the buffer, and the target does not truncate', Status.REM_INV_REQ_ERR, 'ETRUNC'),
  fail('INITIATOR_ERROR', 'the initiator could not read its data', Status.GENERAL_ERR, 'EIO'),
  fail('DROPPED', 'dropped for another reason', Status.GENERAL_ERR, 'EIO'),
];

const unnamed = (code: number): ReturnCodeRow => {
  const hex = `0x${code.toString(16)}`;
  if (code === ReturnCode.EXTENDED)
    return fail('EXTENDED', 'the reason follows in a form that nothing defines yet', Status.GENERAL_ERR, 'EOTHER');
  const isVendor = code >= FIRST_VENDOR && code <= LAST_VENDOR;
  const name = isVendor ? `VENDOR_${hex}` : `RESERVED_${hex}`;
  return fail(name, isVendor ? 'a reason of the vendor' : 'no such code is defined', Status.GENERAL_ERR, 'EOTHER');
};
const FIRST_VENDOR = 0x30;
const LAST_VENDOR = 0x37;

/** All values of the six bits, by number. */
export const RETURN_CODES: readonly ReturnCodeRow[] = Array.from(
  { length: 64 },
  (_, code) => NAMED[code] ?? unnamed(code),
);

/** What an initiator does, in words. */
const EFFECTS: Readonly<Record<Reaction, string>> = {
  complete: 'nothing is wrong; the request completes when all of it is answered',
  fail: 'the request fails',
  retry: 'the request is sent again after a wait, up to maxRnrRetries times; then it fails',
  regenerate: 'the request is sent again at once with the generation told, up to maxRnrRetries times; then it fails',
};

/** The return codes as a table of codes. */
export const RETURN_CODE_TABLE: CodeTable = {
  kind: 'return-code',
  name: 'UET return code',
  layer: 'SES',
  prefixes: ['UET_RC_', 'SES_RC_', 'RC_'],
  section: 'uet:ses/2.12',
  rows: RETURN_CODES.map(({ name, text, reaction, status, fabricError }, value) => ({
    ...{ value, name, text, effect: EFFECTS[reaction] },
    ...(reaction === 'complete' ? {} : { status, fabricError }),
  })),
};

/** By number, 0 to 63. */
export const returnCode = (code: number): ReturnCodeRow => RETURN_CODES[code & 0x3f]!;

/** The code that answers a refused memory access. @spec uet:ses/1.4 rows 14 to 18 */
export const codeOfFault: Readonly<Record<number, number>> = {
  [AccessFault.NO_KEY]: ReturnCode.BAD_MKEY,
  [AccessFault.WRONG_JOB]: ReturnCode.PERM_VIOLATION,
  [AccessFault.NO_RIGHT]: ReturnCode.OP_VIOLATION,
  [AccessFault.OUT_OF_BOUNDS]: ReturnCode.BAD_ADDR,
};
