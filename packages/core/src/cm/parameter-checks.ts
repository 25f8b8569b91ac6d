/** Checks of what a program says about a connection. */
import { VerbsError } from '../base/verbs-error.ts';
import type { ConnectionOptions, ConnectOptions } from './parameters.ts';

/** @throws VerbsError EINVAL too long */
export function checkPrivateData(call: string, privateData: Uint8Array | undefined, most: number): void {
  if (privateData === undefined || privateData.length <= most) return;
  throw new VerbsError('EINVAL', call, `${privateData.length} bytes of private data do not fit`, {
    try: `up to ${most} bytes; more by the first message over the connection`,
  });
}

/** @throws VerbsError EINVAL a number out of its range */
export function checkNumbers(call: string, options: ConnectionOptions | ConnectOptions, mostReads: number): void {
  for (const [name, least, most] of RANGES) check(call, name, options[name], least, most);
  check(call, 'responderResources', options.responderResources, 0, mostReads);
  check(call, 'initiatorDepth', options.initiatorDepth, 0, mostReads);
}

/** @throws VerbsError EINVAL a number out of its range */
export function checkConnectNumbers(call: string, options: ConnectOptions): void {
  for (const [name, least, most] of CONNECT_RANGES) check(call, name, options[name], least, most);
  const { pathMtu } = options;
  if (pathMtu === undefined || [256, 512, 1024, 2048, 4096].includes(pathMtu)) return;
  throw new VerbsError('EINVAL', call, `a packet cannot have ${pathMtu} bytes`, {
    given: `pathMtu ${pathMtu}`,
    try: '256, 512, 1024, 2048 or 4096',
  });
}

/** @throws VerbsError EINVAL out of range, or no whole number */
export function check(call: string, name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new VerbsError('EINVAL', call, `${value} is no ${name}`, {
    given: `${name} ${value}`,
    try: `${least} to ${most}`,
  });
}

const RANGES = [
  ['timeout', 1, 31],
  ['retryCount', 0, 7],
  ['rnrRetry', 0, 7],
  ['minRnrTimer', 0, 31],
] as const;

const CONNECT_RANGES = [
  ['port', 1, 0xffff],
  ['udpPort', 1, 0xffff],
  ['sourcePort', 0, 0xffff],
  ['responseTimeout', 0, 31],
  ['maxRetries', 0, 15],
] as const;
