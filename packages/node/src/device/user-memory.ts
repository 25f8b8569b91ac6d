/** Memory of the user half: what `context.allocate()` gives, and how it is named to the kernel half. */
import { type Context, MemoryKind, type NamedMemory, type UserMemory, VerbsError } from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import { addressOf, type MappedMemory, type MemoryPool, viewAt } from '../memory/mapped-memory.ts';
import type { MappedAttachment } from './live-host.ts';

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

  name(_context: Context, bytes: Uint8Array, attachments: unknown[]): NamedMemory {
    const index = attachments.length;
    const { length } = bytes;
    if (!this.#shared) {
      attachments.push(bytes);
      return { kind: MemoryKind.ATTACHMENT, index, offset: 0, length };
    }
    if (bytes.buffer instanceof SharedArrayBuffer) {
      attachments.push(bytes.buffer);
      return { kind: MemoryKind.ATTACHMENT, index, offset: bytes.byteOffset, length };
    }
    const address = addressOf(bytes, this.#libc);
    if (address !== 0) {
      attachments.push({ address, length } satisfies MappedAttachment);
      return { kind: MemoryKind.ATTACHMENT, index, offset: 0, length };
    }
    throw new VerbsError('EINVAL', 'registerMemory', 'a device in worker mode cannot reach memory of this thread', {
      given: `${bytes.length} bytes of an ordinary ArrayBuffer`,
      try: 'memory from context.allocate(), or a view on a SharedArrayBuffer',
    });
  }

  map(attachment: unknown, bytes: number): Uint8Array {
    if (attachment instanceof Uint8Array) return attachment;
    if (attachment instanceof SharedArrayBuffer) return new Uint8Array(attachment, 0, bytes);
    return viewAt(this.#libc!, (attachment as MappedAttachment).address, bytes);
  }

  unmap(): void {}

  releaseAll(): void {
    for (const memory of this.#held.values()) memory.release();
    this.#held.clear();
  }
}
