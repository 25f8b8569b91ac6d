/** Errors of operations, named and numbered as in libfabric, and how completions come to them. @spec uet:ses/7 uet:ses/2.12 */
import type { CodeTable } from '../base/code-table.ts';
import { Status } from '../engine/status.ts';

/** Numbers below 256 are those of Linux. */
export const FabricErrno = {
  ENOENT: 2,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EINVAL: 22,
  ENOSPC: 28,
  ENOSYS: 38,
  ENOMSG: 42,
  ENODATA: 61,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRNOTAVAIL: 99,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  ECANCELED: 125,
  EKEYREJECTED: 129,
  EOTHER: 256,
  ETOOSMALL: 257,
  EOPBADSTATE: 258,
  EAVAIL: 259,
  EBADFLAGS: 260,
  ENOCQ: 263,
  ETRUNC: 265,
  ENOKEY: 266,
  ENOAV: 267,
  EOVERRUN: 268,
  ENORX: 269,
  ENOMR: 270,
} as const;
export type FabricErrorName = keyof typeof FabricErrno;

const TEXTS: Readonly<Record<FabricErrorName, readonly [text: string, advice: string]>> = {
  ENOENT: ['what is named is not there', 'compare the name with what there is'],
  EIO: ['the operation failed at the peer or on the way', 'look at the code of the provider'],
  EAGAIN: ['there is no room now', 'take completions, then again'],
  ENOMEM: ['no memory is left', 'close what is not needed'],
  EACCES: ['the peer does not allow it', 'check job, access rights and key of the memory'],
  EFAULT: ['outside of the memory', 'stay inside the region'],
  EBUSY: ['others need it', 'close what uses it first'],
  EINVAL: ['the operation contradicts itself or the state of the endpoint', 'compare it with the documentation'],
  ENOSPC: ['a table is full', 'open it with more room'],
  ENOSYS: ['this is not built', 'docs/fabric.md lists what is'],
  ENOMSG: ['no such message waits', 'look again later'],
  ENODATA: ['nothing fits the hints', 'ask for less'],
  EMSGSIZE: ['the message is too long', 'send less at a time'],
  EOPNOTSUPP: ['this side or the peer cannot do that', 'look at `info.caps` of both'],
  EADDRNOTAVAIL: ['no usable address', 'the 32 bytes that `getName` of the peer gave'],
  ESHUTDOWN: ['the endpoint is closed', 'open another'],
  ETIMEDOUT: ['no answer', 'is the peer up, at this address?'],
  ECONNREFUSED: ['the peer refuses', 'is the endpoint enabled there?'],
  EHOSTUNREACH: ['there is no such endpoint', 'is it the address of an endpoint that is enabled?'],
  ECANCELED: ['cancelled, here or there', 'nothing, or post it again'],
  EKEYREJECTED: ['the key names no memory there', 'the key that the owner gave, while the memory is registered'],
  EOTHER: ['something else', 'look at the code of the provider'],
  ETOOSMALL: ['the buffer is too small', 'a larger one'],
  EOPBADSTATE: ['not in this state', 'bind before, operate after `enable`'],
  EAVAIL: ['an error waits to be read', 'read it'],
  EBADFLAGS: ['flags that exclude each other', 'one of them'],
  ENOCQ: ['no completion queue is bound', '`endpoint.bind(queue, …)` before `enable`'],
  ETRUNC: ['the message was longer than the receive', 'receives as large as messages; the rest is lost'],
  ENOKEY: ['there is no such key', 'a key of a registered region'],
  ENOAV: ['no address vector is bound', '`endpoint.bind(vector)` before `enable`'],
  EOVERRUN: ['completions were lost', 'a larger completion queue, read more often'],
  ENORX: ['the peer has no receive for it', 'post more receives there'],
  ENOMR: ['the memory is not registered', '`domain.registerMemory`'],
};

/** The errors as a table of codes, for tools that explain them. */
export const FABRIC_ERROR_CODES: CodeTable = {
  kind: 'fabric-error',
  name: 'fabric error',
  layer: 'fabric',
  prefixes: ['FI_'],
  section: 'uet:ses/7',
  rows: (Object.keys(TEXTS) as FabricErrorName[]).map((name) => {
    const [text, advice] = TEXTS[name];
    return { value: FabricErrno[name], name, text, advice };
  }),
};

const NAMES = new Map(Object.entries(FabricErrno).map(([name, value]) => [value as number, name as FabricErrorName]));

export const fabricErrorName = (errno: number): FabricErrorName => NAMES.get(errno) ?? 'EOTHER';

/** What it means and what to do. */
export function fabricErrorText(errno: number): string {
  const [text, advice] = TEXTS[fabricErrorName(errno)];
  return `${text}; ${advice}`;
}

/** Turns what completions say into errors: by the transport's own code where its tables know better than the status. */
export class ErrorMap {
  readonly #byCode = new Map<number, number>();

  /** @param tables - of the transport; rows with `fabricError` count */
  constructor(tables: readonly CodeTable[] = []) {
    for (const { rows, vendorBase = 0 } of tables) {
      for (const { value, status = 0, fabricError = 0 } of rows) {
        if (value !== undefined && fabricError > 0) this.#byCode.set(keyOf(status, vendorBase + value), fabricError);
      }
    }
  }

  /**
   * The error of a failed operation.
   *
   * @param vendorStatus - the transport's own code; 0 when the failure is local
   */
  errno(status: number, vendorStatus: number, isReceive: boolean): number {
    if (status === Status.LOC_LEN_ERR && isReceive) return FabricErrno.ETRUNC;
    const local = LOCAL[status];
    if (local !== undefined) return local;
    // codes of several kinds may have the same number: the status tells which is meant
    const known = vendorStatus === 0 ? undefined : this.#byCode.get(keyOf(status, vendorStatus));
    return known ?? REMOTE[status] ?? FabricErrno.EIO;
  }
}

const keyOf = (status: number, code: number): number => status * 0x1_0000_0000 + code;

/** Statuses that tell more than any code of the transport. */
const LOCAL: Readonly<Record<number, number>> = {
  [Status.LOC_LEN_ERR]: FabricErrno.EMSGSIZE,
  [Status.LOC_QP_OP_ERR]: FabricErrno.EINVAL,
  [Status.LOC_PROT_ERR]: FabricErrno.EFAULT,
  [Status.LOC_ACCESS_ERR]: FabricErrno.EACCES,
  [Status.WR_FLUSH_ERR]: FabricErrno.ECANCELED,
  [Status.TM_ERR]: FabricErrno.ENOMSG,
};

const REMOTE: Readonly<Record<number, number>> = {
  [Status.REM_INV_REQ_ERR]: FabricErrno.EOPNOTSUPP,
  [Status.REM_ACCESS_ERR]: FabricErrno.EACCES,
  [Status.REM_OP_ERR]: FabricErrno.EIO,
  [Status.RETRY_EXC_ERR]: FabricErrno.ETIMEDOUT,
  [Status.RNR_RETRY_EXC_ERR]: FabricErrno.ENORX,
  [Status.REM_INV_RD_REQ_ERR]: FabricErrno.EHOSTUNREACH,
  [Status.REM_ABORT_ERR]: FabricErrno.ECANCELED,
  [Status.RESP_TIMEOUT_ERR]: FabricErrno.ETIMEDOUT,
};
