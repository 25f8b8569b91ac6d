/** Completion statuses, work opcodes and access rights, numbered as in libibverbs so that tools and shims agree. */
import type { CodeTable } from '../base/code-table.ts';

export interface StatusRow {
  readonly value: number;
  /** Name as in `IBV_WC_*`. */
  readonly name: string;
  readonly text: string;
  /** What a user can do about it. */
  readonly advice: string;
}

const row = (value: number, name: string, text: string, advice: string): StatusRow => ({ value, name, text, advice });

/** @spec verbs/3.6 */
export const STATUS_ROWS: readonly StatusRow[] = [
  row(0, 'SUCCESS', 'success', ''),
  row(1, 'LOC_LEN_ERR', 'local length error', 'post a larger receive buffer, or send less'),
  row(2, 'LOC_QP_OP_ERR', 'local QP operation error', 'check the address handle and the opcode of the request'),
  row(
    4,
    'LOC_PROT_ERR',
    'local protection error',
    'use an lkey of the same protection domain and stay inside the region',
  ),
  row(5, 'WR_FLUSH_ERR', 'work request flushed', 'the queue pair was closed or failed before this request ran'),
  row(6, 'MW_BIND_ERR', 'memory management operation error', 'check the window and its region'),
  row(
    7,
    'BAD_RESP_ERR',
    'bad response from the peer',
    'capture the traffic and decode it; the peer breaks the protocol',
  ),
  row(8, 'LOC_ACCESS_ERR', 'local access error', 'check the rights of the local region and the job key'),
  row(9, 'REM_INV_REQ_ERR', 'remote invalid request', 'the peer does not support this operation or size'),
  row(
    10,
    'REM_ACCESS_ERR',
    'remote access error',
    'check the remote key, the range and the rights that the peer granted',
  ),
  row(11, 'REM_OP_ERR', 'remote operation error', 'the peer could not finish; look at its log and counters'),
  row(
    12,
    'RETRY_EXC_ERR',
    'transport retry counter exceeded',
    'no acknowledgement: is the peer up, at this address and port?',
  ),
  row(
    13,
    'RNR_RETRY_EXC_ERR',
    'receiver not ready, retries exceeded',
    'the peer has no receive posted: post more there, or raise the retries here',
  ),
  row(
    15,
    'REM_INV_RD_REQ_ERR',
    'remote has no such destination',
    'check job, PIDonFEP and resource index of the address',
  ),
  row(16, 'REM_ABORT_ERR', 'aborted by the peer', 'the peer disabled the endpoint or cancelled the receive'),
  row(19, 'FATAL_ERR', 'device or queue pair failed', 'reopen the device'),
  row(20, 'RESP_TIMEOUT_ERR', 'response timeout', 'the peer acknowledged but never answered'),
  row(21, 'GENERAL_ERR', 'general error', 'see the vendor status of the completion'),
  row(22, 'TM_ERR', 'tag matching error', 'no such message or receive is there; look again later'),
];

/** The statuses as a table of codes. */
export const STATUS_CODES: CodeTable = {
  kind: 'status',
  name: 'completion status',
  layer: 'verbs',
  prefixes: ['IBV_WC_', 'IB_WC_', 'WC_'],
  section: 'verbs/3.6',
  rows: STATUS_ROWS,
};

export const Status = {
  SUCCESS: 0,
  LOC_LEN_ERR: 1,
  LOC_QP_OP_ERR: 2,
  LOC_PROT_ERR: 4,
  WR_FLUSH_ERR: 5,
  MW_BIND_ERR: 6,
  BAD_RESP_ERR: 7,
  LOC_ACCESS_ERR: 8,
  REM_INV_REQ_ERR: 9,
  REM_ACCESS_ERR: 10,
  REM_OP_ERR: 11,
  RETRY_EXC_ERR: 12,
  RNR_RETRY_EXC_ERR: 13,
  REM_INV_RD_REQ_ERR: 15,
  REM_ABORT_ERR: 16,
  FATAL_ERR: 19,
  RESP_TIMEOUT_ERR: 20,
  GENERAL_ERR: 21,
  TM_ERR: 22,
} as const;

/** Send opcodes of work requests. @spec verbs/3.1 */
export const WorkOpcode = {
  RDMA_WRITE: 0,
  RDMA_WRITE_WITH_IMM: 1,
  SEND: 2,
  SEND_WITH_IMM: 3,
  RDMA_READ: 4,
  /** Compares eight bytes with one value, and swaps them for another if they are equal; what was there comes back. */
  ATOMIC_CMP_AND_SWP: 5,
  /** Adds to eight bytes; what was there comes back. */
  ATOMIC_FETCH_AND_ADD: 6,
  /** Ends remote access through a window. Done by the device itself, like BIND_MW: no engine sees it. */
  LOCAL_INV: 7,
  /** Opens a window on a part of a region. */
  BIND_MW: 8,
  /** SEND that ends access under a key of the receiver. */
  SEND_WITH_INV: 9,
  /** To the first receive of the peer that matches the tag. */
  TAGGED_SEND: 10,
  TAGGED_SEND_WITH_IMM: 11,
  /** Changes elements of memory, each as a whole; see `engine/atomics.ts` for what can be done to what. */
  ATOMIC: 12,
  /** And brings back what was there. */
  FETCHING_ATOMIC: 13,
  /** The same on the first receive of the peer that matches a tag. */
  TAGGED_ATOMIC: 14,
  TAGGED_FETCHING_ATOMIC: 15,
} as const;

/** Opcodes of completions. @spec verbs/3.5 */
export const CompletionOpcode = {
  SEND: 0,
  RDMA_WRITE: 1,
  RDMA_READ: 2,
  COMP_SWAP: 3,
  FETCH_ADD: 4,
  BIND_MW: 5,
  LOCAL_INV: 6,
  ATOMIC: 16,
  FETCHING_ATOMIC: 17,
  TAGGED_SEND: 18,
  RECV: 128,
  RECV_RDMA_WITH_IMM: 129,
  /** A receive was to be called back: found, or TM_ERR. The receive itself completes with WR_FLUSH_ERR before. */
  CANCEL: 131,
  RECV_TAGGED: 133,
  /** A look at what arrived unexpectedly. */
  PEEK: 135,
} as const;

/** Rights of a memory region. @spec verbs/1.3 */
export const Access = { LOCAL_WRITE: 1, REMOTE_WRITE: 2, REMOTE_READ: 4, REMOTE_ATOMIC: 8, MW_BIND: 16 } as const;

/** What a queue pair fails of when no completion says so: numbers of `EVENTS` rows. */
export const QpFault = { FATAL: 1, REQUEST: 2, ACCESS: 3 } as const;

/** Why a remote access is refused; each transport has its own wire code for it. */
export const AccessFault = { NONE: 0, NO_KEY: 1, WRONG_JOB: 2, NO_RIGHT: 3, OUT_OF_BOUNDS: 4 } as const;
