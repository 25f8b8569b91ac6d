/**
 * The host of one device of a daemon: memory is what clients hand over as descriptors, or ordinary memory of theirs,
 * reached where it is. Nothing that a client names by number or path is opened.
 */
import {
  type DmaSpace,
  type DmaTarget,
  type KernelHost,
  type MappedPage,
  type MemorySource,
  type RemoteMemoryAccess,
  VerbsError,
} from '@verbena/core';
import { randomWords } from '../device/live-host.ts';
import type { Libc } from '../memory/libc.ts';
import { createMemoryFile } from '../memory/memory-file.ts';
import { type MemoryRights, type PeerProcess, ProcessMemory } from '../memory/process-memory.ts';
import { ReceivedFile } from '../memory/received-file.ts';

/** How the daemon knows the process behind a connection; the identity of its session. */
export class PeerIdentity {
  readonly #libc: Libc;
  readonly #peer: PeerProcess;
  readonly #socket: number;
  #memory: ProcessMemory | undefined;
  #holders = 0;

  /** @param socket - of the connection, by which the kernel tells whether the peer still runs */
  constructor(libc: Libc, peer: PeerProcess, socket: number) {
    this.#libc = libc;
    this.#peer = peer;
    this.#socket = socket;
  }

  /** The address space that the peer has at the first call; one for all callers. @throws VerbsError */
  holdMemory(): ProcessMemory {
    this.#memory ??= ProcessMemory.open(this.#libc, this.#peer, this.#socket);
    this.#holders++;
    return this.#memory;
  }

  releaseMemory(): void {
    if (--this.#holders > 0) return;
    this.#memory?.close();
    this.#memory = undefined;
  }
}

export class DaemonHost implements KernelHost {
  readonly dma: DmaSpace;
  readonly seed: number;
  readonly #libc: Libc;
  /** What is attached, and how it is given back. */
  readonly #held = new Map<DmaTarget, () => void>();

  constructor(dma: DmaSpace, seed: number, libc: Libc) {
    this.dma = dma;
    this.seed = seed;
    this.#libc = libc;
  }

  randomWords(into: Uint32Array): void {
    randomWords(into);
  }

  attachMemory({ attachment, offset, length }: MemorySource): DmaTarget {
    const memory = fileOf(attachment).map(offset + length);
    const target = { bytes: memory.bytes.subarray(offset, offset + length), address: memory.address + offset };
    this.#held.set(target, memory.release);
    return target;
  }

  detachMemory(target: DmaTarget): void {
    const release = this.#held.get(target);
    this.#held.delete(target);
    release?.();
  }

  openUmem(attachment: unknown, identity: unknown): DmaTarget {
    if (attachment !== undefined) {
      const memory = fileOf(attachment).map(1);
      const target = { bytes: memory.bytes, address: memory.address };
      this.#held.set(target, memory.release);
      return target;
    }
    if (!(identity instanceof PeerIdentity)) {
      throw new VerbsError('EOPNOTSUPP', 'UMEM.CREATE', 'memory of this caller cannot be reached', {
        try: 'a sealed memory file',
      });
    }
    const remote = new ProcessReach(identity.holdMemory());
    const target = { bytes: NO_BYTES, address: 0, remote, base: 0, length: ADDRESS_SPACE_BYTES };
    this.#held.set(target, () => identity.releaseMemory());
    return target;
  }

  mapPage(bytes: number): MappedPage {
    const file = createMemoryFile(this.#libc, bytes);
    return { bytes: file.bytes, attachment: file, release: file.release };
  }
}

/** Ordinary memory of a client; reads and writes allocate nothing. */
class ProcessReach implements RemoteMemoryAccess {
  readonly #memory: ProcessMemory;

  constructor(memory: ProcessMemory) {
    this.#memory = memory;
  }

  read(address: number, into: Uint8Array, at: number, length: number): boolean {
    return this.#memory.read(address, into, length, at);
  }

  write(address: number, from: Uint8Array, at: number, length: number): boolean {
    return this.#memory.write(address, from, length, at);
  }

  rights(address: number, length: number): MemoryRights {
    return this.#memory.rights(address, length);
  }
}

function fileOf(attachment: unknown): ReceivedFile {
  if (attachment instanceof ReceivedFile) return attachment;
  throw new VerbsError('EINVAL', 'attachMemory', 'this memory cannot be reached from the daemon', {
    try: 'a sealed memory file, sent with the call',
  });
}

const NO_BYTES = new Uint8Array(0);
/** User addresses of 64-bit Linux lie below. */
const ADDRESS_SPACE_BYTES = 2 ** 48;
