/**
 * A mutated packet is only as good as the state that it meets. Where a receiver first looks for the number that comes
 * next, an aim writes that number, or one beside it, into the packet.
 */
import type { Engine, SeededRandom } from '@verbena/core';
import type { CaptureBed } from '@verbena/core/testing';
import { Bth, byteLength, ROCE_FLAGS, ROCE_RESPONSE } from '@verbena/core/wire';
import { uetAim } from './uet-aim.ts';

/** Changes the bytes, if it can make something of them. `to` is the number of the receiver. */
export type Aim = (bytes: Uint8Array, to: number, receiver: Engine, random: SeededRandom) => void;

export const aimOf = (transport: string, state: CaptureBed): Aim | undefined => AIMS[transport]?.(state);

const AIMS: Readonly<Record<string, (state: CaptureBed) => Aim>> = {
  uet: uetAim,
  roce: () => (bytes, _to, receiver, random) => {
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
