/** One completion as an object: comfortable, and made anew each time. */
import { CompletionFlag } from '../abi/entries.ts';
import { CompletionOpcode, STATUS_ROWS, Status } from '../engine/status.ts';
import type { CompletionBatch } from './completion-batch.ts';
import { joinWords } from './word-pair.ts';

export type StatusName = keyof typeof Status;
export type CompletionOpcodeName =
  | 'send'
  | 'write'
  | 'read'
  | 'cmp-swap'
  | 'fetch-add'
  | 'bind'
  | 'invalidate'
  | 'atomic'
  | 'fetching-atomic'
  | 'tagged-send'
  | 'recv'
  | 'recv-write-imm'
  | 'recv-tagged'
  | 'cancel'
  | 'peek';

export class Completion {
  /** The program's number of the request. */
  readonly id: bigint;
  readonly status: StatusName;
  /** What was done; on failure only a hint. */
  readonly opcode: CompletionOpcodeName;
  readonly byteLength: number;
  readonly imm: bigint | undefined;
  /** A key of this side that the peer ended. */
  readonly invalidated: bigint | undefined;
  /** A routing header of 40 bytes stands in front of the data, and counts in `byteLength`. */
  readonly hasGrh: boolean;
  /** The peer asked to wake the program. */
  readonly solicited: boolean;
  /** Number of the local queue pair. */
  readonly qpn: number;
  /** Number of the peer's queue pair, where known. */
  readonly remoteQpn: number;
  /** Identity that the peer claims. */
  readonly sourceId: number;
  readonly jobId: number;
  /** The device's path to the peer: `createAddressHandle({ path })` answers to it. 0 where unknown. */
  readonly path: number;
  /** The transport's own code, as it came. */
  readonly vendorStatus: number;
  /** Of a tagged message. */
  readonly tag: bigint;
  /** LOC_LEN_ERR: bytes for which there was no room. Else, of a receive for many messages: where in it this one begins. */
  readonly extra: number;
  /** A receive for many messages is used up. */
  readonly isReleased: boolean;
  readonly #peer: (path: number) => string;

  constructor(batch: CompletionBatch, row: number, peer: (path: number) => string) {
    this.id = joinWords(batch.idLo[row]!, batch.idHi[row]!);
    this.status = STATUS_NAMES.get(batch.status[row]!) ?? 'GENERAL_ERR';
    this.opcode = OPCODE_NAMES.get(batch.opcode[row]!) ?? 'send';
    this.byteLength = batch.byteLength[row]!;
    this.imm = batch.hasImm[row] === 1 ? joinWords(batch.immLo[row]!, batch.immHi[row]!) : undefined;
    const flags = batch.flags[row]!;
    const ended = (flags & CompletionFlag.INVALIDATED) !== 0;
    this.invalidated = ended ? joinWords(batch.immLo[row]!, batch.immHi[row]!) : undefined;
    this.hasGrh = (flags & CompletionFlag.GRH) !== 0;
    this.solicited = (flags & CompletionFlag.SOLICITED) !== 0;
    this.qpn = batch.qpn[row]!;
    this.remoteQpn = batch.remoteQpn[row]!;
    this.sourceId = batch.sourceId[row]!;
    this.jobId = batch.jobId[row]!;
    this.path = batch.path[row]!;
    this.vendorStatus = batch.vendorStatus[row]!;
    this.tag = joinWords(batch.tagLo[row]!, batch.tagHi[row]!);
    this.extra = batch.extra[row]!;
    this.isReleased = (flags & CompletionFlag.RELEASED) !== 0;
    this.#peer = peer;
  }

  get ok(): boolean {
    return this.status === 'SUCCESS';
  }

  /** Several lines: what happened, to which request, with whom, and what can be done. */
  explain(): string {
    const row = STATUS_ROWS.find((one) => one.name === this.status);
    const peer = this.path === 0 ? '' : this.#peer(this.path);
    const lines = [`${this.status}: ${row?.text ?? 'unknown status'}`];
    const add = (what: string, text: string) => lines.push(`  ${what.padEnd(9)}${text}`);
    add('request', `${this.opcode} ${this.id}, ${this.byteLength} bytes, on queue pair 0x${this.qpn.toString(16)}`);
    if (peer !== '')
      add('peer', `${peer}${this.remoteQpn === 0 ? '' : `, queue pair 0x${this.remoteQpn.toString(16)}`}`);
    if (this.jobId !== 0) add('job', String(this.jobId));
    if (this.vendorStatus !== 0) add('code', `0x${this.vendorStatus.toString(16)} (of the transport)`);
    if (row !== undefined && row.advice !== '') add('try', row.advice);
    return lines.join('\n');
  }
}

const STATUS_NAMES = new Map(Object.entries(Status).map(([name, value]) => [value as number, name as StatusName]));

const OPCODE_NAMES = new Map<number, CompletionOpcodeName>([
  [CompletionOpcode.SEND, 'send'],
  [CompletionOpcode.RDMA_WRITE, 'write'],
  [CompletionOpcode.RDMA_READ, 'read'],
  [CompletionOpcode.COMP_SWAP, 'cmp-swap'],
  [CompletionOpcode.FETCH_ADD, 'fetch-add'],
  [CompletionOpcode.BIND_MW, 'bind'],
  [CompletionOpcode.LOCAL_INV, 'invalidate'],
  [CompletionOpcode.ATOMIC, 'atomic'],
  [CompletionOpcode.FETCHING_ATOMIC, 'fetching-atomic'],
  [CompletionOpcode.TAGGED_SEND, 'tagged-send'],
  [CompletionOpcode.RECV, 'recv'],
  [CompletionOpcode.RECV_RDMA_WITH_IMM, 'recv-write-imm'],
  [CompletionOpcode.RECV_TAGGED, 'recv-tagged'],
  [CompletionOpcode.CANCEL, 'cancel'],
  [CompletionOpcode.PEEK, 'peek'],
]);
