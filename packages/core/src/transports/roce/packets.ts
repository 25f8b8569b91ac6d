/** The words of a BTH, and what is written behind it by more than one part of the engine. */
import type { Packet } from '../../engine/packet.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { NO_CREDITS_CODE } from '../../wire/roce/syndrome.ts';

/** Bits of the first word of a BTH. */
export const SOLICITED = 0x80_0000;
/** There is one path, so each packet is on the one that was migrated to. */
const MIGRATED = 0x40_0000;
const PAD_SHIFT = 20;
/** Bits of the second word. */
export const BECN = 0x4000_0000;
/** Bit of the third word. */
export const ACK_REQUEST = 0x8000_0000;

/** First word of a BTH. @param flags - {@link SOLICITED} or 0 */
export const firstWord = (opcode: number, flags: number, pad: number, pkey: number): number =>
  (opcode << 24) | flags | MIGRATED | (pad << PAD_SHIFT) | pkey;

/** Writes a BTH as three words instead of eleven fields. @param third - PSN, and {@link ACK_REQUEST} or 0 */
export function writeBth(out: Packet, first: number, destQp: number, third: number): void {
  const { view, at } = out;
  view.setInt32(at, first);
  view.setInt32(at + 4, destQp);
  view.setInt32(at + 8, third);
  out.length = BTH_BYTES;
}

/** An AETH as one word. */
export const aethWord = (syndrome: number, msn: number): number => (syndrome << 24) | msn;

/** All is well, and credits are not counted. */
export const SYNDROME_ACK = NO_CREDITS_CODE;

/** ECN-capable transport, ECT(0). */
export const ECT = 2;
