/** What can be wrong with an atomic beside what can be wrong with any access. @spec uet:ses/1.4 row 21 uet:ses/3.9 */
import { ATOMIC_TYPE_BYTES } from '../../../engine/atomics.ts';
import { Access } from '../../../engine/status.ts';
import { AmoOpcode, ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import { alignmentOf, isAtomicOffered, isBareAmo, isCompareAmo, opOfAmo, typeOfAmo } from './atomic-codes.ts';
import type { RequestFields } from './request-fields.ts';

/** Rights that every atomic needs: it reads and writes, and memory must be open to atomics. @spec uet:ses/5.2 */
export const ATOMIC_RIGHTS = Access.REMOTE_ATOMIC | Access.REMOTE_READ | Access.REMOTE_WRITE;

/** Whether the packet carries what it should: the operands, or nothing. */
export function isAtomicWhole(request: RequestFields, payload: number, mtu: number): boolean {
  const due = isBareAmo(request.amoOpcode) ? 0 : Math.min(request.length, mtu);
  return request.som && payload === due;
}

/**
 * Bytes of memory that it reaches. A compare-and-swap is of one element, and some initiators say the length of both
 * values instead. @spec uet:ses/9 D-11
 */
export function atomicReach(request: RequestFields): number {
  const size = ATOMIC_TYPE_BYTES[typeOfAmo(request.amoDatatype)] ?? 0;
  return isCompareAmo(request.amoOpcode) && request.length === COMPARE_AND_SWAP_BYTES && size > 0
    ? size
    : request.length;
}

/** Operation, type, size and alignment. @returns a return code, 0 when all is well */
export function checkAtomic(request: RequestFields, mtu: number): number {
  const { amoOpcode } = request;
  const type = typeOfAmo(request.amoDatatype);
  const op = opOfAmo(amoOpcode);
  const isInval = amoOpcode === AmoOpcode.INVAL;
  if (request.hd) return ReturnCode.OP_VIOLATION; // no receive is there to tell of it
  if (op < 0 && !isInval) return ReturnCode.AMO_UNSUPPORTED_OP;
  if (type < 0) return ReturnCode.AMO_UNSUPPORTED_DT;
  // a read that brings nothing back, bits of a number that is no integer, the order of complex numbers
  const isSilentRead = amoOpcode === AmoOpcode.READ && request.opcode === SesOpcode.ATOMIC;
  if (isSilentRead || (!isInval && !isAtomicOffered(op, type))) return ReturnCode.AMO_UNSUPPORTED_OP;
  const size = ATOMIC_TYPE_BYTES[type]!;
  const reached = atomicReach(request);
  if (reached === 0 || reached % size !== 0) return ReturnCode.AMO_UNSUPPORTED_SIZE;
  if (isCompareAmo(amoOpcode) && reached !== size) return ReturnCode.AMO_UNSUPPORTED_SIZE;
  if (reached > mtu) return ReturnCode.UNSUPPORTED_SIZE; // an atomic is one packet, and so is its result
  return request.offsetLo % alignmentOf(type) === 0 ? 0 : ReturnCode.AMO_UNALIGNED;
}

/** What request_length may be for a compare-and-swap of any type: both values as they travel. */
const COMPARE_AND_SWAP_BYTES = 32;
