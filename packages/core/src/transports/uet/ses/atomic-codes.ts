/** Operations and types of atomics, between their numbers on the wire and those of the engine contract. @spec uet:ses/2.10 */

import { isAtomicDefined, partBytes } from '../../../engine/atomics/element-kinds.ts';
import { ATOMIC_TYPE_BYTES, AtomicOp, AtomicType } from '../../../engine/atomics.ts';
import { AmoDatatype, AmoOpcode } from '../../../wire/uet/ses.ts';

/** @returns the AMO opcode of an `AtomicOp`; -1: none */
export const amoOpcodeOf = (op: number): number => TO_AMO[op] ?? -1;
/** @returns the AMO datatype of an `AtomicType`; -1: none */
export const amoDatatypeOf = (type: number): number => TO_DATATYPE[type] ?? -1;
/** @returns the `AtomicOp` of an AMO opcode; -1: none */
export const opOfAmo = (opcode: number): number => FROM_AMO[opcode] ?? -1;
/** @returns the `AtomicType` of an AMO datatype; -1: none that is offered */
export const typeOfAmo = (datatype: number): number => FROM_DATATYPE[datatype] ?? -1;

/** The extension has two values of 128 bits behind it: compare and swap. */
export const isCompareAmo = (opcode: number): boolean => opcode >= AmoOpcode.CSWAP && opcode <= AmoOpcode.CSWAP_GT;
/** A packet with it carries no operands: they are in the extension, or there are none. */
export const isBareAmo = (opcode: number): boolean =>
  isCompareAmo(opcode) || opcode === AmoOpcode.READ || opcode === AmoOpcode.INVAL;

/** Whether this transport does an operation on a type. @param op - one of `AtomicOp`, or anything */
export const isAtomicOffered = (op: number, type: number): boolean =>
  op !== AtomicOp.MSWAP && isAtomicDefined(op, type);

/** A whole multiple of this is aligned, bytes: what a number takes up, of complex ones a part. */
export const alignmentOf = partBytes;

/** Numbers of one table by those of another, where the names say which are the same. */
function translated(from: Readonly<Record<string, number>>, to: (name: string) => number | undefined): Int16Array {
  const table = new Int16Array(Math.max(...Object.values(from)) + 1).fill(-1);
  for (const [name, value] of Object.entries(from)) table[value] = to(name) ?? -1;
  return table;
}

// two types have longer names in libfabric
const amoTypeName = (name: string): string => ({ BFLOAT16: 'BF16', FLOAT16: 'FP16' })[name] ?? name;
const typeName = (name: string): string => ({ BF16: 'BFLOAT16', FP16: 'FLOAT16' })[name] ?? name;
const numbers = (table: object): Readonly<Record<string, number>> => table as Record<string, number>;

const TO_AMO = translated(AtomicOp, (name) => (name === 'MSWAP' ? undefined : numbers(AmoOpcode)[name]));
const FROM_AMO = translated(AmoOpcode, (name) => (name === 'MSWAP' ? undefined : numbers(AtomicOp)[name]));
const TO_DATATYPE = translated(AtomicType, (name) =>
  name.startsWith('LONG') ? undefined : numbers(AmoDatatype)[amoTypeName(name)],
);
const FROM_DATATYPE = translated(AmoDatatype, (name) =>
  name.startsWith('LONG') ? undefined : numbers(AtomicType)[typeName(name)],
);

/** What the attributes say. */
export const OFFERED_OPS: readonly number[] = Object.values(AtomicOp).filter((op) => amoOpcodeOf(op) >= 0);
export const OFFERED_TYPES: readonly number[] = Object.values(AtomicType).filter(
  (type) => amoDatatypeOf(type) >= 0 && ATOMIC_TYPE_BYTES[type]! > 0,
);
