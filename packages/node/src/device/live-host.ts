/** The host of one live device, as its kernel half sees it. */
import { webcrypto } from 'node:crypto';
import {
  type DmaSpace,
  type DmaTarget,
  type KernelHost,
  type MemoryShare,
  VerbsError,
  type WireHost,
} from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import { addressOf, viewAt } from '../memory/mapped-memory.ts';
import type { LiveWire, LocalAddress } from '../wire/live-wire.ts';

export class LiveHost implements KernelHost {
  /** The outermost layer: faults and capture included. */
  readonly wire: WireHost;
  readonly dma: DmaSpace;
  readonly entropies: number;
  readonly receiveBufferBytes: number;
  readonly localAddress: LocalAddress;
  readonly level: string;
  readonly seed: number;
  readonly #libc: Libc | undefined;
  readonly #wake: (handle: number) => void;

  /** @param wake - a completion queue or context that a program waits for got something */
  constructor(live: LiveWire, top: WireHost, seed: number, libc: Libc | undefined, wake: (handle: number) => void) {
    this.wire = top;
    this.dma = live.dma;
    this.entropies = live.entropies;
    this.receiveBufferBytes = live.receiveBufferBytes;
    this.localAddress = live.local;
    this.level = live.level;
    this.seed = seed;
    this.#libc = libc;
    this.#wake = wake;
  }

  randomWords(into: Uint32Array): void {
    webcrypto.getRandomValues(into);
  }

  attachMemory(share: MemoryShare): DmaTarget {
    switch (share.kind) {
      case 'bytes':
        return { bytes: share.bytes, address: addressOf(share.bytes, this.#libc) };
      case 'shared': {
        const bytes = new Uint8Array(share.buffer, share.offset, share.length);
        return { bytes, address: addressOf(bytes, this.#libc) };
      }
      case 'mapped':
        if (this.#libc === undefined) {
          throw new VerbsError(
            'EINVAL',
            'attachMemory',
            'mapped memory needs the C library, and koffi is not installed',
          );
        }
        return { bytes: viewAt(this.#libc, share.address, share.length), address: share.address };
    }
  }

  detachMemory(_target: DmaTarget): void {}

  wake(handle: number): void {
    this.#wake(handle);
  }
}
