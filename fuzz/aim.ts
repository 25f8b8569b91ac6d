/**
 * A mutated packet is only as good as the state that it meets. Where a receiver first looks for the number that comes
 * next, an aim writes that number, or one beside it, into the packet.
 */
import type { Engine, SeededRandom } from '@verbena/core';
import { Bth, byteLength, ROCE_FLAGS, ROCE_RESPONSE } from '@verbena/core/wire';

/** Changes the bytes, if it can make something of them. */
export type Aim = (bytes: Uint8Array, receiver: Engine, random: SeededRandom) => void;

export const aimOf = (transport: string): Aim | undefined => AIMS[transport];

const AIMS: Readonly<Record<string, Aim>> = {
  roce(bytes, receiver, random) {
    if (bytes.length < byteLength(Bth)) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const number = Bth.destQp.get(view, 0);
    const row = receiver.connections?.().find(({ id }) => id === number);
    if (row === undefined) return;
    const isResponse = (ROCE_FLAGS[Bth.opcode.get(view, 0)]! & ROCE_RESPONSE) !== 0;
    const next = Number(isResponse ? row['tx_base'] : row['rx_expected']);
    const beside = random.chance(0.8) ? 0 : random.below(8) - 4;
    Bth.psn.set(view, 0, (next + beside) & 0xff_ffff);
  },
};
