/** Memory of the user half: what `context.allocate()` gives, and how it is named to the kernel half. */
import { type MemoryShare, type UserMemory, VerbsError } from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import { addressOf, type MappedMemory, type MemoryPool } from '../memory/mapped-memory.ts';

/** @param shared - the kernel half runs in another thread, and views cannot be handed to it */
export class LiveMemory implements UserMemory {
  readonly #pool: MemoryPool;
  readonly #libc: Libc | undefined;
  readonly #shared: boolean;
  readonly #held = new Map<ArrayBufferLike, MappedMemory>();

  constructor(pool: MemoryPool, libc: Libc | undefined, shared: boolean) {
    this.#pool = pool;
    this.#libc = libc;
    this.#shared = shared;
  }

  allocate(bytes: number): Uint8Array {
    const memory = this.#pool.allocate(bytes);
    this.#held.set(memory.bytes.buffer, memory);
    return memory.bytes;
  }

  /** Gives memory back that {@link allocate} gave; anything else is left alone. */
  release(bytes: Uint8Array): void {
    const memory = this.#held.get(bytes.buffer);
    this.#held.delete(bytes.buffer);
    memory?.release();
  }

  share(bytes: Uint8Array): MemoryShare {
    if (!this.#shared) return { kind: 'bytes', bytes };
    if (bytes.buffer instanceof SharedArrayBuffer) {
      return { kind: 'shared', buffer: bytes.buffer, offset: bytes.byteOffset, length: bytes.length };
    }
    const address = addressOf(bytes, this.#libc);
    if (address !== 0) return { kind: 'mapped', address, length: bytes.length };
    throw new VerbsError('EINVAL', 'registerMemory', 'a device in worker mode cannot reach memory of this thread', {
      given: `${bytes.length} bytes of an ordinary ArrayBuffer`,
      try: 'memory from context.allocate(), or a view on a SharedArrayBuffer',
    });
  }

  releaseAll(): void {
    for (const memory of this.#held.values()) memory.release();
    this.#held.clear();
  }
}
