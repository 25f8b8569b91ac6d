/** Error codes and their Linux numbers: what crosses to another process, and to C. */
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

/** The code of a number; EIO for one that is not in the table. */
export const errorCode = (value: number): ErrorCode => CODES.get(value) ?? 'EIO';

const CODES = new Map(Object.entries(ERRNO).map(([code, value]) => [value as number, code as ErrorCode]));
