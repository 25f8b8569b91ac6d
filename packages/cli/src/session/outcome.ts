/** Failures between two programs, in words that say which program to look at. */
import type { Completion, ErrorCode, VerbsError } from '@verbena/core';
import { refusal } from '../failure.ts';

/** A message got through to nobody. */
export function noAnswer(peer: string, call: string, why: Completion | string): VerbsError {
  if (typeof why === 'string') {
    return refusal('ETIMEDOUT', call, `no answer from ${peer}: ${why}`, { try: STARTED });
  }
  if (why.status === 'RETRY_EXC_ERR') {
    return refusal('ETIMEDOUT', call, `no answer from ${peer}: nothing was acknowledged`, { try: STARTED });
  }
  if (why.status === 'REM_INV_RD_REQ_ERR') {
    return refusal('ENOENT', call, `there is a device at ${peer}, but no service on it`, { try: STARTED });
  }
  return refusal('EIO', call, `talking to ${peer} failed`, { given: why.explain() });
}

/** The code that a peer named, as far as it is one. */
export function refusalCode(code: string): ErrorCode {
  return CODES.find((known) => known === code) ?? 'EIO';
}

const STARTED =
  'is the other side running there (`verbena serve`, `verbena perf` or `verbena pingpong` with --listen), with the same --port?';

const CODES = [
  'EINVAL',
  'EBUSY',
  'EEXIST',
  'ENOENT',
  'ENOMEM',
  'ENOSPC',
  'EPERM',
  'EACCES',
  'EIO',
  'EOPNOTSUPP',
  'ETIMEDOUT',
  'EAGAIN',
] as const satisfies readonly ErrorCode[];
