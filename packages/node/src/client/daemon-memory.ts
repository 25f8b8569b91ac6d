/**
 * Memory of a program that uses a daemon. What `allocate` gives lies in a few shared arenas, each handed over once per
 * context; other memory is named by its address, if it has one that stays, and the daemon reaches it where it is.
 */
import { type Context, MemoryKind, type NamedMemory, type UserMemory, VerbsError } from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import { addressOf, type MappedMemory } from '../memory/mapped-memory.ts';
import { allowTracing } from '../memory/process-memory.ts';
import { ReceivedFile } from '../memory/received-file.ts';
import { type Arena, type ArenaId, SharedArena } from '../memory/shared-arena.ts';

/** Something that travels beside a call as a descriptor. */
export interface OutgoingFile {
  readonly fd: number;
}

export class DaemonMemory implements UserMemory {
  readonly #libc: Libc;
  readonly #daemonPid: number;
  readonly #arenas: SharedArena;
  readonly #open = new Map<ArenaId, Arena>();
  /** What each context was told of: user memories by arena, and the one of the own address space. */
  readonly #known = new Map<Context, Shared>();
  /** What the daemon handed out, by buffer. */
  readonly #mapped = new Map<ArrayBufferLike, MappedMemory>();
  #allowed = false;

  /** @param limitBytes - most memory that `allocate` hands out */
  constructor(libc: Libc, daemonPid: number, limitBytes: number | undefined) {
    this.#libc = libc;
    this.#daemonPid = daemonPid;
    this.#arenas = new SharedArena(libc, {
      ...(limitBytes === undefined ? {} : { limitBytes }),
      onArena: (arena) => this.#open.set(arena.id, arena),
      dropped: (arena) => this.#dropped(arena),
    });
  }

  allocate(bytes: number): Uint8Array {
    return this.#arenas.allocate(bytes).bytes;
  }

  release(bytes: Uint8Array): void {
    this.#arenas.release(bytes);
  }

  name(context: Context, bytes: Uint8Array, _attachments: unknown[]): NamedMemory {
    const { length } = bytes;
    const piece = this.#arenas.locate(bytes);
    if (piece !== undefined) {
      return { kind: MemoryKind.UMEM, index: this.#arenaIn(context, piece.arena), offset: piece.offset, length };
    }
    const address = addressOf(bytes, this.#libc);
    if (address !== 0) return { kind: MemoryKind.UMEM, index: this.#processIn(context), offset: address, length };
    throw new VerbsError(
      'EINVAL',
      'registerMemory',
      'a daemon cannot reach this memory: it has no address that stays',
      {
        given: `${length} bytes of an ordinary ArrayBuffer, which the engine of the language moves`,
        try: 'memory from context.allocate(), which is fastest, or a view on a SharedArrayBuffer',
      },
    );
  }

  map(attachment: unknown, bytes: number): Uint8Array {
    if (!(attachment instanceof ReceivedFile)) {
      throw new VerbsError('EIO', 'map', 'the daemon sent no memory with its answer');
    }
    const memory = attachment.map(bytes);
    this.#mapped.set(memory.bytes.buffer, memory);
    return memory.bytes.subarray(0, bytes);
  }

  unmap(bytes: Uint8Array): void {
    const memory = this.#mapped.get(bytes.buffer);
    this.#mapped.delete(bytes.buffer);
    memory?.release();
  }

  /** The connection is over. Views that the program kept read zeros. */
  releaseAll(): void {
    this.#known.clear();
    this.#arenas.close();
    for (const memory of this.#mapped.values()) memory.release();
    this.#mapped.clear();
  }

  #arenaIn(context: Context, id: ArenaId): number {
    const shared = this.#sharedWith(context);
    let handle = shared.arenas.get(id);
    if (handle === undefined) {
      const { fd } = this.#open.get(id)!;
      const file: OutgoingFile = { fd };
      handle = context.call('UMEM', 'CREATE', { kind: 0, attachment: 0 }, [file]).handle;
      shared.arenas.set(id, handle);
    }
    return handle;
  }

  #processIn(context: Context): number {
    const shared = this.#sharedWith(context);
    if (shared.process === undefined) {
      if (!this.#allowed) this.#allowed = allowTracing(this.#libc, this.#daemonPid);
      shared.process = context.call('UMEM', 'CREATE', { kind: 1 }).handle;
    }
    return shared.process;
  }

  #sharedWith(context: Context): Shared {
    let shared = this.#known.get(context);
    if (shared === undefined) {
      for (const one of this.#known.keys()) if (!one.isOpen) this.#known.delete(one);
      this.#known.set(context, (shared = { arenas: new Map(), process: undefined }));
    }
    return shared;
  }

  /** The arena is gone here; the daemon need not keep its mapping. */
  #dropped(id: ArenaId): void {
    this.#open.delete(id);
    for (const [context, { arenas }] of this.#known) {
      const handle = arenas.get(id);
      arenas.delete(id);
      if (handle === undefined || !context.isOpen) continue;
      try {
        context.call('UMEM', 'DESTROY', { handle });
      } catch {
        // it ends with the context
      }
    }
  }
}

interface Shared {
  readonly arenas: Map<ArenaId, number>;
  process: number | undefined;
}
