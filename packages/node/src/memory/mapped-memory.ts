/**
 * Memory with a known address: what the kernel gathers from and receives into, and what programs get from
 * `context.allocate()`. Without a C library it is a `SharedArrayBuffer`, and senders copy.
 */
import { VerbsError } from '@verbena/core';
import { LINUX, type Libc } from './libc.ts';

export interface MappedMemory {
  readonly bytes: Uint8Array;
  /** Where the bytes are; 0 where system calls cannot reach them. */
  readonly address: number;
  /** Gives the memory back. Views that a program kept read as zeros afterwards; they do not fault. */
  release(): void;
}

/** Hands out memory and knows the address of every byte that it handed out. */
export class MemoryPool {
  readonly #libc: Libc | undefined;
  readonly #limitBytes: number;
  #used = 0;
  #mappings = 0;

  /** @param limitBytes - most bytes at a time */
  constructor(libc: Libc | undefined, limitBytes = DEFAULT_LIMIT) {
    this.#libc = libc;
    this.#limitBytes = limitBytes;
  }

  /** Bytes handed out now, whole pages. */
  get used(): number {
    return this.#used;
  }

  get mappings(): number {
    return this.#mappings;
  }

  /**
   * Zeroed memory that starts on a page.
   *
   * @throws VerbsError `EINVAL` no sensible size · `ENOMEM` over the pool's limit, or the system has none
   */
  allocate(bytes: number): MappedMemory {
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      throw new VerbsError('EINVAL', 'allocate', `${bytes} is not a number of bytes`, { try: 'a whole number from 1' });
    }
    const size = Math.ceil(bytes / PAGE) * PAGE;
    if (this.#used + size > this.#limitBytes) {
      throw new VerbsError('ENOMEM', 'allocate', `${bytes} bytes do not fit into the device's memory`, {
        given: `${this.#used} of ${this.#limitBytes} bytes are in use`,
        try: 'release memory that is no longer needed, or open the device with a larger `memoryBytes`',
      });
    }
    const buffer = this.#libc === undefined ? shared(size) : map(this.#libc, size);
    const address = addresses.get(buffer) ?? 0;
    this.#used += size;
    this.#mappings++;
    let held = true;
    return {
      bytes: new Uint8Array(buffer, 0, bytes),
      address,
      release: () => {
        if (!held) return;
        held = false;
        this.#used -= size;
        this.#mappings--;
        if (this.#libc !== undefined) empty(this.#libc, buffer, address, size);
      },
    };
  }
}

/**
 * The memory behind a descriptor, shared with everybody who maps it. A view that outlives it reads zeros.
 *
 * @throws VerbsError `ENOMEM` the system does not map it
 */
export function mapDescriptor(libc: Libc, fd: number, size: number): MappedMemory {
  const buffer = map(libc, size, fd);
  const address = addresses.get(buffer)!;
  let held = true;
  return {
    bytes: new Uint8Array(buffer),
    address,
    release: () => {
      if (!held) return;
      held = false;
      empty(libc, buffer, address, size);
    },
  };
}

/** The address of a view on mapped memory, or on a `SharedArrayBuffer`, which never moves; 0 for any other memory. */
export function addressOf(bytes: Uint8Array, libc: Libc | undefined): number {
  const base = addresses.get(bytes.buffer);
  if (base !== undefined) return base + bytes.byteOffset;
  if (libc === undefined || !(bytes.buffer instanceof SharedArrayBuffer) || bytes.length === 0) return 0;
  const start = libc.address(new Uint8Array(bytes.buffer));
  addresses.set(bytes.buffer, start);
  return start + bytes.byteOffset;
}

/** A second view on memory that another thread of this process mapped and keeps. */
export function viewAt(libc: Libc, address: number, length: number): Uint8Array {
  const buffer = libc.view(address, length);
  addresses.set(buffer, address);
  return new Uint8Array(buffer);
}

/** Ranges that were given back, and whose addresses stay taken until the last view on them is collected. */
export function rangesAwaitingCollection(): number {
  return awaiting;
}

const addresses = new WeakMap<ArrayBufferLike, number>();
let awaiting = 0;
const emptied = new FinalizationRegistry<() => void>((unmap) => unmap());

function shared(size: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(size);
  } catch {
    throw outOfMemory(size);
  }
}

function map(libc: Libc, size: number, fd = -1): ArrayBuffer {
  const flags = fd < 0 ? LINUX.MAP_SHARED | LINUX.MAP_ANONYMOUS : LINUX.MAP_SHARED;
  const address = libc.mmap(0, size, READ_WRITE, flags, fd, 0);
  if (typeof address !== 'number') throw outOfMemory(size);
  const buffer = libc.view(address, size);
  addresses.set(buffer, address);
  return buffer;
}

/**
 * A program may still hold views, and touching an unmapped page would end the process. So the pages are replaced by
 * empty ones at once, and the range itself goes when no view is left.
 */
function empty(libc: Libc, buffer: ArrayBufferLike, address: number, size: number): void {
  const flags = LINUX.MAP_PRIVATE | LINUX.MAP_ANONYMOUS | LINUX.MAP_FIXED | LINUX.MAP_NORESERVE;
  libc.mmap(address, size, READ_WRITE, flags, -1, 0);
  awaiting++;
  emptied.register(buffer, () => {
    awaiting--;
    libc.munmap(address, size);
  });
}

function outOfMemory(size: number): VerbsError {
  return new VerbsError('ENOMEM', 'allocate', `the system has no ${size} bytes to give`, { try: 'a smaller size' });
}

const READ_WRITE = LINUX.PROT_READ | LINUX.PROT_WRITE;
const PAGE = 4096;
const DEFAULT_LIMIT = 64 * 2 ** 30;
