/**
 * Atomic operations on eight bytes, and what is remembered of the last ones. A device has one thread, so no other of its
 * queue pairs comes between; the program that owns the memory may. Numbers on the wire are big-endian, in memory
 * little-endian.
 *
 * @spec IBTA vol. 1 §9.4.5
 */
import type { DmaSpace } from '../../engine/dma.ts';
import type { Packet } from '../../engine/packet.ts';
import type { Reach } from '../../engine/work.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { AtomicEth } from '../../wire/roce/extended.ts';
import { ATOMIC_WORDS, type ResponderState } from './queue-pair.ts';

const { swapAdd, compare } = AtomicEth;

export class AtomicUnit {
  /** What was there before the last one that was done or recalled. */
  beforeLo = 0;
  beforeHi = 0;
  readonly #dma: DmaSpace;
  readonly #bytes = new Uint8Array(BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(dma: DmaSpace) {
    this.#dma = dma;
  }

  /** Does an operation where an access was granted. @returns false when the memory is gone */
  execute(rx: ResponderState, { region, regionOffset }: Reach, packet: Packet, psn: number, isSwap: boolean): boolean {
    const view = this.#view;
    if (!this.#dma.fetch(region, regionOffset, this.#bytes, 0, BYTES)) return false;
    const lo = view.getUint32(0, true);
    const hi = view.getUint32(4, true);
    const from = packet.at + BTH_BYTES;
    const otherLo = swapAdd.lo.get(packet.view, from);
    const otherHi = swapAdd.hi.get(packet.view, from);
    let isChanged = true;
    if (isSwap) {
      isChanged = compare.lo.get(packet.view, from) === lo && compare.hi.get(packet.view, from) === hi;
      view.setUint32(0, otherLo, true);
      view.setUint32(4, otherHi, true);
    } else {
      const sum = lo + otherLo;
      view.setUint32(0, sum, true);
      view.setUint32(4, hi + otherHi + (sum >= TWO_32 ? 1 : 0), true);
    }
    if (isChanged && !this.#dma.store(region, regionOffset, this.#bytes, 0, BYTES)) return false;
    this.beforeLo = lo;
    this.beforeHi = hi;
    const at = (rx.atomicsDone++ * ATOMIC_WORDS) % rx.atomics.length;
    rx.atomics[at] = psn;
    rx.atomics[at + 1] = lo;
    rx.atomics[at + 2] = hi;
    return true;
  }

  /** Finds the result of one of the last operations by its PSN. @returns false when it is forgotten */
  recall({ atomics }: ResponderState, psn: number): boolean {
    for (let at = 0; at < atomics.length; at += ATOMIC_WORDS) {
      if (atomics[at] !== psn) continue;
      this.beforeLo = atomics[at + 1]! >>> 0;
      this.beforeHi = atomics[at + 2]! >>> 0;
      return true;
    }
    return false;
  }
}

const BYTES = 8;
const TWO_32 = 2 ** 32;
