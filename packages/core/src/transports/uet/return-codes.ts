/** SES return codes: what each means to the initiator. @spec uet:ses/2.12 verbs/5.12 */
import type { CodeTable } from '../../base/code-table.ts';
import { AccessFault, Status } from '../../engine/status.ts';
import { ReturnCode } from '../../wire/uet/ses.ts';

/** What the initiator does with a code. */
export type Reaction = 'complete' | 'fail' | 'retry' | 'regenerate';

export interface ReturnCodeRow {
  readonly name: keyof typeof ReturnCode;
  readonly text: string;
  readonly reaction: Reaction;
  /** Completion status when it fails, or when retries are used up. */
  readonly status: number;
}

const fail = (name: keyof typeof ReturnCode, text: string, status: number): ReturnCodeRow => ({
  name,
  text,
  reaction: 'fail',
  status,
});
const retry = (name: keyof typeof ReturnCode, text: string, status: number): ReturnCodeRow => ({
  ...fail(name, text, status),
  reaction: 'retry',
});

export const RETURN_CODES: readonly ReturnCodeRow[] = [
  { name: 'NULL', text: 'status not known yet', reaction: 'complete', status: Status.SUCCESS },
  { name: 'OK', text: 'success', reaction: 'complete', status: Status.SUCCESS },
  {
    name: 'BAD_GENERATION',
    text: 'the resource index has another generation; the response carries it',
    reaction: 'regenerate',
    status: Status.REM_OP_ERR,
  },
  retry('DISABLED', 'the resource index is disabled', Status.RNR_RETRY_EXC_ERR),
  retry('DISABLED_GEN', 'the resource index is disabled until receives are posted', Status.RNR_RETRY_EXC_ERR),
  retry('NO_MATCH', 'no receive buffer', Status.RNR_RETRY_EXC_ERR),
  fail('UNSUPPORTED_OP', 'operation not supported', Status.REM_INV_REQ_ERR),
  fail('UNSUPPORTED_SIZE', 'size not supported', Status.REM_INV_REQ_ERR),
  fail('AT_INVALID', 'invalid translation context', Status.REM_ACCESS_ERR),
  fail('AT_PERM', 'translation permission failure', Status.REM_ACCESS_ERR),
  fail('AT_ATS_ERROR', 'translation request failed', Status.REM_OP_ERR),
  fail('AT_NO_TRANS', 'no translation available', Status.REM_ACCESS_ERR),
  fail('AT_OUT_OF_RANGE', 'virtual address out of range', Status.REM_ACCESS_ERR),
  fail('HOST_POISONED', 'host memory is poisoned', Status.REM_OP_ERR),
  fail('HOST_UNSUCCESS_CMPL', 'host memory could not be read', Status.REM_OP_ERR),
  fail('AMO_UNSUPPORTED_OP', 'atomic operation not supported', Status.REM_INV_REQ_ERR),
  fail('AMO_UNSUPPORTED_DT', 'atomic datatype not supported', Status.REM_INV_REQ_ERR),
  fail('AMO_UNSUPPORTED_SIZE', 'size is no multiple of the datatype', Status.REM_INV_REQ_ERR),
  fail('AMO_UNALIGNED', 'operand not aligned', Status.REM_INV_REQ_ERR),
  fail('AMO_FP_NAN', 'floating point: not a number', Status.REM_INV_REQ_ERR),
  fail('AMO_FP_UNDERFLOW', 'floating point underflow', Status.REM_INV_REQ_ERR),
  fail('AMO_FP_OVERFLOW', 'floating point overflow', Status.REM_INV_REQ_ERR),
  fail('AMO_FP_INEXACT', 'floating point result inexact', Status.REM_INV_REQ_ERR),
  fail('PERM_VIOLATION', 'the job may not use that resource', Status.REM_ACCESS_ERR),
  fail(
    'OP_VIOLATION',
    'the region does not allow that operation, or the request contradicts itself',
    Status.REM_ACCESS_ERR,
  ),
  fail('BAD_INDEX', 'no such resource index', Status.REM_INV_RD_REQ_ERR),
  fail('BAD_PID', 'no such PIDonFEP', Status.REM_INV_RD_REQ_ERR),
  fail('BAD_JOB_ID', 'no such job there', Status.REM_INV_RD_REQ_ERR),
  fail('BAD_MKEY', 'the memory key names nothing', Status.REM_ACCESS_ERR),
  fail('BAD_ADDR', 'beyond the end of the region', Status.REM_ACCESS_ERR),
  fail('CANCELLED', 'cancelled by the target', Status.REM_ABORT_ERR),
  fail('UNDELIVERABLE', 'could not be delivered', Status.RETRY_EXC_ERR),
  fail('UNCOR', 'uncorrectable error', Status.REM_OP_ERR),
  fail('UNCOR_TRNSNT', 'transient uncorrectable error', Status.REM_OP_ERR),
  fail('TOO_LONG', 'longer than the buffer, and the target does not truncate', Status.REM_INV_REQ_ERR),
  fail('INITIATOR_ERROR', 'the initiator could not read its data', Status.GENERAL_ERR),
  fail('DROPPED', 'dropped for another reason', Status.GENERAL_ERR),
];

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
  rows: RETURN_CODES.map(({ name, text, reaction, status }) => ({
    value: ReturnCode[name],
    name,
    text,
    effect: EFFECTS[reaction],
    ...(reaction === 'complete' ? {} : { status }),
  })),
};

const UNKNOWN = fail('DROPPED', 'return code that this version does not know', Status.GENERAL_ERR);

/** By number; codes are dense from 0. */
export const returnCode = (code: number): ReturnCodeRow => RETURN_CODES[code] ?? UNKNOWN;

/** The code that answers a refused memory access. @spec uet:ses/1.4 rows 14 to 18 */
export const codeOfFault: Readonly<Record<number, number>> = {
  [AccessFault.NO_KEY]: ReturnCode.BAD_MKEY,
  [AccessFault.WRONG_JOB]: ReturnCode.PERM_VIOLATION,
  [AccessFault.NO_RIGHT]: ReturnCode.OP_VIOLATION,
  [AccessFault.OUT_OF_BOUNDS]: ReturnCode.BAD_ADDR,
};
