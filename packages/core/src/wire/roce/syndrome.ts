/** Code points of the AETH syndrome (IBTA vol. 1 §9.7.5): kinds, reasons, RNR timer and credits. */
import { names } from '../names.ts';

/** The two bits that tell what the rest of the syndrome means. */
export const AethKind = names({ ACK: 0, RNR_NAK: 1, RESERVED: 2, NAK: 3 });

/** Why a request was refused. */
export const RoceNak = names({
  PSN_SEQUENCE_ERROR: 0,
  INVALID_REQUEST: 1,
  REMOTE_ACCESS_ERROR: 2,
  REMOTE_OPERATIONAL_ERROR: 3,
  INVALID_RD_REQUEST: 4,
});

/** Credit code of a responder that does not count credits, for instance because it has a shared receive queue. */
export const NO_CREDITS_CODE = 31;

/** The time that each RNR timer code stands for, in steps of 10 µs. Code 0 is the longest. */
export const RNR_TIMER_10US: Uint32Array = Uint32Array.of(
  ...[65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192],
  ...[256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152],
);

/** RNR timer codes by the time that they stand for. */
export const RnrTimer = names(
  Object.fromEntries(Array.from(RNR_TIMER_10US, (steps, code) => [`${(steps / 100).toFixed(2)} ms`, code])),
);

/** Receives that each credit code 0 to 30 stands for. */
export const AETH_CREDITS: Uint16Array = Uint16Array.of(
  ...[0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192],
  ...[256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768],
);

/** The syndrome byte of an AETH; `value` is a credit code, a timer code or one of `RoceNak`. */
export function syndromeOf(kind: number, value: number): number {
  return (kind << 5) | value;
}
