/** Atomics as a peer of the engine would send them. */
import { byteLength } from '../../../wire/header.ts';
import { emit, type HeaderValues } from '../../../wire/record.ts';
import {
  type AmoDatatype,
  type AmoOpcode,
  AtomicExtension,
  CompareSwapExtension,
  type RequestMedium,
  type RequestSmall,
  type RequestStd,
  SesOpcode,
} from '../../../wire/uet/ses.ts';
import { mediumSes, smallSes, writeSes } from '../rig-packets.testdata.ts';

type Values<T> = T[keyof T];

/** What an atomic does; code points that no table has may be given as well. */
export interface Amo {
  readonly op: Values<typeof AmoOpcode> | number;
  readonly type: Values<typeof AmoDatatype> | number;
  /** Behind the extension. */
  readonly operands?: Uint8Array;
  /** Makes it the long extension. */
  readonly compare?: Uint8Array;
  readonly swap?: Uint8Array;
}

/** The extension and what follows. */
export function amoBytes({ op, type, operands = new Uint8Array(), compare, swap }: Amo): Uint8Array {
  const isLong = compare !== undefined || swap !== undefined;
  const header = isLong ? CompareSwapExtension : AtomicExtension;
  const bytes = new Uint8Array(byteLength(header) + operands.length);
  const view = new DataView(bytes.buffer);
  emit(AtomicExtension, view, 0, { amoOpcode: op, amoDatatype: type, semanticControl: 2 });
  if (compare !== undefined) bytes.set(compare, 20 - compare.length);
  if (swap !== undefined) bytes.set(swap, 36 - swap.length);
  bytes.set(operands, byteLength(header));
  return bytes;
}

const lengthOf = ({ operands, swap }: Amo): number => operands?.length ?? swap?.length ?? 8;

export const atomicSes = (amo: Amo, values: HeaderValues<typeof RequestStd> = {}): Uint8Array =>
  writeSes({ opcode: SesOpcode.FETCHING_ATOMIC, requestLength: lengthOf(amo), ...values }, amoBytes(amo));
export const mediumAtomicSes = (amo: Amo, values: HeaderValues<typeof RequestMedium> = {}): Uint8Array =>
  mediumSes({ opcode: SesOpcode.FETCHING_ATOMIC, requestLength: lengthOf(amo), ...values }, amoBytes(amo));
export const smallAtomicSes = (amo: Amo, values: HeaderValues<typeof RequestSmall> = {}): Uint8Array =>
  smallSes({ opcode: SesOpcode.FETCHING_ATOMIC, requestLength: lengthOf(amo), ...values }, amoBytes(amo));

/** The low eight bytes of a number, big-endian. */
export function wide(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
