/** Error codes and their Linux numbers: what crosses to another process, and to C. */
import type { CodeTable } from './code-table.ts';

export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  ENOSPC: 28,
  ENODATA: 61,
  EOVERFLOW: 75,
  ENOTUNIQ: 76,
  EMSGSIZE: 90,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
} as const;

export type ErrorCode = keyof typeof ERRNO;

/** What each code says of a call, and what to do about it. The error itself says more: `VerbsError.explain()`. */
const MEANINGS: Readonly<Record<ErrorCode, readonly [text: string, advice: string]>> = {
  EPERM: ['the caller lacks a right', 'ask whoever runs the device or the daemon for the right'],
  ENOENT: ['what the call names is not there', 'list what there is, and compare the names'],
  EIO: ['the device is gone or has failed', 'close the context and open a device again'],
  ENXIO: ['there is no such entry or address', 'look at the table that the number points into'],
  EBADF: ['the handle names no object of this context', 'use handles of this context, and none that was destroyed'],
  EAGAIN: [
    'a limit of the resource group is reached, or it cannot be done now',
    'free some, raise the limit, or try later',
  ],
  ENOMEM: [
    'no room: a ring, a table or the memory that is allowed is full',
    'free some, wait for completions, or ask for more',
  ],
  EACCES: ['access is denied', 'check the rights of the region, key, job or file'],
  EFAULT: ['memory that the caller may not use', 'stay inside memory that was allocated from this context'],
  EBUSY: ['the object is in use by others', 'destroy what uses it first'],
  EEXIST: ['it exists already', 'choose another name or number'],
  ENODEV: ['there is no such device', '`verbena devices` lists what there is'],
  EINVAL: [
    'an argument is wrong, or does not go with the state of the object',
    'compare the argument with what the error says is possible',
  ],
  ENFILE: ['no name or number of that pattern is free', 'choose another pattern, or remove some'],
  ENOSPC: ['a limit of the device, or the disk, is reached', 'free some, or open the device with larger limits'],
  ENODATA: ['there is nothing to give', 'ask again when there is'],
  EOVERFLOW: ['a number or an answer is too large', 'ask for less at a time'],
  ENOTUNIQ: ['several answer to this name', 'name it in full'],
  EMSGSIZE: ['the message is too long', 'send less at a time, or compare both ends'],
  EPROTONOSUPPORT: [
    'the other side does not know the method, the attribute or the protocol',
    'use the same version and transport on both sides',
  ],
  EOPNOTSUPP: ['this device cannot do that', '`verbena devinfo -v` shows what it can'],
  EADDRINUSE: ['the address or port is taken', 'choose another, or stop who has it'],
  EADDRNOTAVAIL: ['this machine does not have the address', 'use an address of this machine'],
  ETIMEDOUT: ['nothing came in time', 'is the peer up, at this address and port? `verbena doctor` looks at this side'],
  ECONNREFUSED: ['the peer refused', 'read the reason in the error; is the server started, on this port?'],
};

/** The codes as a table of codes. */
export const ERROR_CODES: CodeTable = {
  kind: 'error',
  name: 'error code of a call',
  layer: 'user API',
  prefixes: [],
  section: 'docs/uapi.md',
  rows: Object.entries(MEANINGS).map(([name, [text, advice]]) => ({
    value: ERRNO[name as ErrorCode],
    name,
    text,
    advice,
  })),
};

/** The code of a number; EIO for one that is not in the table. */
export const errorCode = (value: number): ErrorCode => CODES.get(value) ?? 'EIO';

const CODES = new Map(Object.entries(ERRNO).map(([code, value]) => [value as number, code as ErrorCode]));
