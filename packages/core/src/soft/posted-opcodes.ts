/** Which work opcodes can be posted to a queue pair: what its kind can do, of what the transport can. */
import type { Operation, TransportAttributes } from '../engine/engine.ts';
import { WorkOpcode } from '../engine/status.ts';

/** Bit n: work opcode n can be posted to queue pairs of a kind. */
export function opcodesOf({ operations }: TransportAttributes, kind: string, immediates: boolean): number {
  const rank = kind === 'UD' || kind === 'GSI' ? DATAGRAMS : kind === 'UC' ? UNANSWERED : ANSWERED;
  let bits = rank === DATAGRAMS ? 0 : (1 << WorkOpcode.BIND_MW) | (1 << WorkOpcode.LOCAL_INV);
  for (const [operation, opcode, least, form] of POSTED) {
    if (rank < least || !operations.includes(operation) || (form === 'immediate' && !immediates)) continue;
    bits |= 1 << opcode;
  }
  return bits;
}

/** Kinds by what they can do, each more than the one before. */
const DATAGRAMS = 0;
const UNANSWERED = 1;
const ANSWERED = 2;

const POSTED: readonly (readonly [operation: Operation, opcode: number, least: number, form?: 'immediate'])[] = [
  ['send', WorkOpcode.SEND, DATAGRAMS],
  ['send', WorkOpcode.SEND_WITH_IMM, DATAGRAMS, 'immediate'],
  ['write', WorkOpcode.RDMA_WRITE, UNANSWERED],
  ['write-imm', WorkOpcode.RDMA_WRITE_WITH_IMM, UNANSWERED, 'immediate'],
  ['read', WorkOpcode.RDMA_READ, ANSWERED],
  ['send-inv', WorkOpcode.SEND_WITH_INV, ANSWERED],
  ['cmp-swap', WorkOpcode.ATOMIC_CMP_AND_SWP, ANSWERED],
  ['fetch-add', WorkOpcode.ATOMIC_FETCH_AND_ADD, ANSWERED],
  ['tagged', WorkOpcode.TAGGED_SEND, ANSWERED],
  ['tagged', WorkOpcode.TAGGED_SEND_WITH_IMM, ANSWERED, 'immediate'],
  ['atomic', WorkOpcode.ATOMIC, ANSWERED],
  ['fetching-atomic', WorkOpcode.FETCHING_ATOMIC, ANSWERED],
  ['tagged-atomic', WorkOpcode.TAGGED_ATOMIC, ANSWERED],
  ['tagged-atomic', WorkOpcode.TAGGED_FETCHING_ATOMIC, ANSWERED],
];
