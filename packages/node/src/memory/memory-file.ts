/**
 * Memory that two processes share: a file without a name, whose descriptor is handed over. Sealed, it keeps its size
 * for ever, so neither side can take pages away under the other's mapping.
 */
import { VerbsError } from '@verbena/core';
import { LINUX, type Libc, requireLibc } from './libc.ts';
import { type MappedMemory, MemoryPool, mapDescriptor } from './mapped-memory.ts';

export interface MemoryFile extends MappedMemory {
  /** To hand over; -1 once it is closed. Stays this object's. */
  readonly fd: number;
  /** For memory that is handed over to nobody else; the mapping stays. */
  closeDescriptor(): void;
}

/**
 * Makes zeroed memory that can be handed over.
 *
 * @param bytes - 1 or more; rounded up to whole pages
 * @throws VerbsError `EINVAL` no sensible size · `ENOMEM` · `EOPNOTSUPP` no system calls
 */
export function createMemoryFile(libc: Libc | undefined, bytes: number): MemoryFile {
  const calls = requireLibc(libc, 'createMemoryFile');
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new VerbsError('EINVAL', 'createMemoryFile', `${bytes} is not a number of bytes`, {
      try: 'a whole number from 1',
    });
  }
  const size = Math.ceil(bytes / PAGE) * PAGE;
  let fd = calls.memfd_create('verbena', MEMFD_FLAGS | LINUX.MFD_NOEXEC_SEAL);
  if (fd < 0) fd = calls.memfd_create('verbena', MEMFD_FLAGS); // Linux before 6.3
  if (fd < 0) throw outOfMemory(bytes, calls.errno());
  try {
    const made = calls.ftruncate(fd, size) === 0 && calls.fcntl(fd, LINUX.F_ADD_SEALS, SEALS | LINUX.F_SEAL_SEAL) === 0;
    if (!made) throw outOfMemory(bytes, calls.errno());
    return held(calls, mapDescriptor(calls, fd, size), fd);
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

/**
 * Maps memory that another process made, and closes the descriptor, whatever the result.
 *
 * The other side may write at any time, but cannot make an access fail: the size is sealed, and files that could block
 * or end this process on access (of a disk or network file system, huge pages) are refused.
 *
 * @param minBytes - what the other side said; a larger file is mapped whole
 * @throws VerbsError `EPERM` not sealed, not a memory file, or not to be written · `EINVAL` smaller than said · `ENOMEM`
 */
export function adoptMemoryFile(libc: Libc | undefined, fd: number, minBytes: number): MappedMemory {
  const calls = requireLibc(libc, 'adoptMemoryFile');
  try {
    const seals = calls.fcntl(fd, LINUX.F_GET_SEALS, 0);
    if (seals < 0 || (seals & SEALS) !== SEALS || !isPlain(calls, fd)) {
      throw new VerbsError('EPERM', 'adoptMemoryFile', 'this is not memory whose size is sealed', {
        given: seals < 0 ? 'a descriptor without seals' : `seals ${seals}`,
        try: 'a memfd of ordinary pages with F_SEAL_SHRINK and F_SEAL_GROW',
      });
    }
    const mode = calls.fcntl(fd, LINUX.F_GETFL, 0) & LINUX.O_ACCMODE;
    if (mode !== LINUX.O_RDWR || (seals & (LINUX.F_SEAL_WRITE | LINUX.F_SEAL_FUTURE_WRITE)) !== 0) {
      throw new VerbsError('EPERM', 'adoptMemoryFile', 'this memory cannot be written through the descriptor', {
        try: 'a descriptor that was opened for reading and writing, without a seal against writing',
      });
    }
    const size = Number(calls.lseek(fd, 0, LINUX.SEEK_END));
    if (!Number.isSafeInteger(minBytes) || minBytes < 1 || size < minBytes || size % PAGE !== 0) {
      throw new VerbsError('EINVAL', 'adoptMemoryFile', `memory of ${size} bytes does not hold ${minBytes}`, {
        try: 'a file of whole pages, at least as large as said',
      });
    }
    return mapDescriptor(calls, fd, size);
  } finally {
    calls.close(fd);
  }
}

/** Huge pages that run out end the process that touches one. They can be sealed, too; their file system differs. */
function isPlain(libc: Libc, fd: number): boolean {
  const scratch = new MemoryPool(libc).allocate(STATFS_BYTES);
  const known = libc.fstatfs(fd, scratch.address) === 0;
  const type = new DataView(scratch.bytes.buffer).getUint32(0, true);
  scratch.release();
  return known && type === LINUX.TMPFS_MAGIC;
}

function held(libc: Libc, memory: MappedMemory, fd: number): MemoryFile {
  let open = fd;
  const closeDescriptor = () => {
    if (open >= 0) libc.close(open);
    open = -1;
  };
  return {
    bytes: memory.bytes,
    address: memory.address,
    get fd() {
      return open;
    },
    closeDescriptor,
    release: () => {
      closeDescriptor();
      memory.release();
    },
  };
}

function outOfMemory(bytes: number, error: number): VerbsError {
  return new VerbsError('ENOMEM', 'createMemoryFile', `the system has no ${bytes} bytes to share: error ${error}`, {
    try: 'a smaller size, or fewer open descriptors',
  });
}

const SEALS = LINUX.F_SEAL_SHRINK | LINUX.F_SEAL_GROW;
const MEMFD_FLAGS = LINUX.MFD_CLOEXEC | LINUX.MFD_ALLOW_SEALING;
const STATFS_BYTES = 256;
const PAGE = 4096;
