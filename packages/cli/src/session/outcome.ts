/** Failures between two programs, in words that say which program to look at. */
import { type Completion, type ErrorCode, isVerbsError, VerbsError } from '@verbena/core';
import { messageOf, refusal } from '../failure.ts';
import type { Refusal } from './session.ts';

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

/** There is a device, and nobody takes connections on it. */
export function nobodyListens(peer: string, port: number, why: VerbsError): VerbsError {
  return refusal('ENOENT', 'connect', `there is a device at ${peer}, but no service on its port ${port}`, {
    given: why.message,
    try: STARTED,
  });
}

/** Why a request is refused, for the peer that asked. */
export function refusalOf(thrown: unknown): Refusal {
  if (!isVerbsError(thrown)) return { code: 'EIO', problem: messageOf(thrown).slice(0, MAX_TEXT) };
  const problem = thrown.message.replace(/^E[A-Z0-9]+ in [^:]+: /, '').slice(0, MAX_TEXT);
  const advice = thrown.facts.try;
  return { code: thrown.code, problem, ...(advice === undefined ? {} : { try: advice.slice(0, MAX_TEXT) }) };
}

/** What a peer refused a request with, as an error. Its text goes to a terminal: nothing in it may control that. */
export function refused(ask: string, refuse: Refusal): VerbsError {
  const text = (raw: string) => raw.slice(0, MAX_TEXT).replace(CONTROL, '?'); // it goes to a terminal
  const facts = refuse.try === undefined ? {} : { try: text(refuse.try) };
  return new VerbsError(refusalCode(refuse.code), ask, `refused: ${text(refuse.problem)}`, facts);
}

/** The code that a peer named, as far as it is one. */
function refusalCode(code: string): ErrorCode {
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
const MAX_TEXT = 1_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/g;
