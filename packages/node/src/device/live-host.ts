/** The host of one live device, as its kernel half sees it: memory and chance. */
import { webcrypto } from 'node:crypto';
import {
  type DmaSpace,
  type DmaTarget,
  type KernelHost,
  type MappedPage,
  type MemorySource,
  VerbsError,
} from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import { addressOf, type MemoryPool, viewAt } from '../memory/mapped-memory.ts';

/** Memory of this process, by address: how mapped memory travels between threads. */
export interface MappedAttachment {
  readonly address: number;
  readonly length: number;
}

export class LiveHost implements KernelHost {
  readonly dma: DmaSpace;
  readonly seed: number;
  readonly #libc: Libc | undefined;
  readonly #pool: MemoryPool;
  readonly #shared: boolean;

  /** @param shared - programs are in another thread, to which views cannot be handed */
  constructor(dma: DmaSpace, seed: number, libc: Libc | undefined, pool: MemoryPool, shared: boolean) {
    this.dma = dma;
    this.seed = seed;
    this.#libc = libc;
    this.#pool = pool;
    this.#shared = shared;
  }

  randomWords(into: Uint32Array): void {
    randomWords(into);
  }

  attachMemory(source: MemorySource): DmaTarget {
    const bytes = this.#view(source);
    return { bytes, address: addressOf(bytes, this.#libc) };
  }

  detachMemory(_target: DmaTarget): void {}

  openUmem(attachment: unknown): DmaTarget {
    if (attachment instanceof Uint8Array) return { bytes: attachment, address: addressOf(attachment, this.#libc) };
    throw new VerbsError('EOPNOTSUPP', 'UMEM.CREATE', 'memory of this process needs no umem', {
      try: 'name the memory in the call that uses it',
    });
  }

  mapPage(bytes: number): MappedPage {
    const memory = this.#pool.allocate(bytes);
    const attachment = this.#shared ? travelling(memory) : memory.bytes;
    return { bytes: memory.bytes, attachment, release: () => memory.release() };
  }

  #view({ attachment, offset, length }: MemorySource): Uint8Array {
    if (attachment instanceof Uint8Array)
      return part(attachment.length, offset, length, () => attachment.subarray(offset, offset + length));
    if (attachment instanceof SharedArrayBuffer) {
      return part(attachment.byteLength, offset, length, () => new Uint8Array(attachment, offset, length));
    }
    const mapped = attachment as MappedAttachment | undefined;
    if (typeof mapped?.address === 'number' && this.#libc !== undefined) {
      const libc = this.#libc;
      return part(mapped.length, offset, length, () => viewAt(libc, mapped.address + offset, length));
    }
    throw new VerbsError('EINVAL', 'attachMemory', 'this memory cannot be reached from the device', {
      try: 'memory from context.allocate()',
    });
  }
}

/** Words that nobody can guess. */
export function randomWords(into: Uint32Array): void {
  webcrypto.getRandomValues(into);
}

/** How memory goes to another thread of this process. */
function travelling(memory: {
  readonly bytes: Uint8Array;
  readonly address: number;
}): MappedAttachment | SharedArrayBuffer {
  if (memory.address !== 0) return { address: memory.address, length: memory.bytes.length };
  return memory.bytes.buffer as SharedArrayBuffer;
}

function part(whole: number, offset: number, length: number, make: () => Uint8Array): Uint8Array {
  if (offset <= whole && length <= whole - offset) return make();
  throw new VerbsError('EINVAL', 'attachMemory', 'the memory lies outside of what was shared', {
    given: `${length} bytes at ${offset} of ${whole}`,
  });
}
