/** Chooses how packets travel: the fastest way that this machine offers, or the one that was asked for. */
import { env } from 'node:process';
import { type DmaSpace, VerbsError } from '@verbena/core';
import { type Libc, libcProblem } from '../memory/libc.ts';
import type { MemoryPool } from '../memory/mapped-memory.ts';
import { DgramWire } from './dgram-wire.ts';
import { GsoWire } from './gso-wire.ts';
import type { LiveWire, WireOptions } from './live-wire.ts';

/** `auto` takes `gso` where the system has it, else `batch`, else `dgram`. */
export type IoChoice = 'auto' | 'gso' | 'batch' | 'dgram';

/**
 * @param libc - undefined where there is none: then only `dgram` works
 * @throws VerbsError `EOPNOTSUPP` this level does not exist here · `EINVAL` · `EADDRINUSE` · `EADDRNOTAVAIL` · `EACCES`
 */
export async function openWire(
  libc: Libc | undefined,
  pool: MemoryPool,
  dma: DmaSpace,
  options: WireOptions,
  io: IoChoice,
): Promise<LiveWire> {
  if (io === 'dgram' || (io === 'auto' && libc === undefined)) {
    return await DgramWire.open(dma, options, libc && { libc, pool });
  }
  return openWireNow(libc, pool, dma, options, io);
}

/** As {@link openWire}, at once: Node's own sockets cannot be opened like that. */
export function openWireNow(
  libc: Libc | undefined,
  pool: MemoryPool,
  dma: DmaSpace,
  options: WireOptions,
  io: IoChoice,
): LiveWire {
  if (io === 'dgram') {
    throw new VerbsError('EOPNOTSUPP', 'openDevice', 'I/O level `dgram` cannot be opened at once', {
      try: "io: 'auto', 'gso' or 'batch'",
    });
  }
  if (libc === undefined) {
    throw new VerbsError('EOPNOTSUPP', 'openDevice', `I/O level \`${io}\` does not exist here: ${libcProblem()}`, {
      try: "io: 'auto' or 'dgram'",
    });
  }
  if (io === 'gso' && options.ipProtocol !== undefined) {
    throw new VerbsError('EOPNOTSUPP', 'openDevice', 'packets directly over IP cannot be segmented by the kernel', {
      try: "io: 'auto' or 'batch'",
    });
  }
  const wire = new GsoWire(libc, pool, dma, options, io === 'batch' ? 'batch' : 'gso');
  if (io === 'gso' && wire.level !== 'gso') {
    wire.close();
    throw new VerbsError('EOPNOTSUPP', 'openDevice', 'this kernel has no UDP segmentation offload', {
      missing: 'UDP_SEGMENT and UDP_GRO, in Linux since 5.0',
      try: "io: 'auto' or 'batch'",
    });
  }
  return wire;
}

/** The level asked for by options, else by the environment variable `VERBENA_IO`, else `auto`. */
export function ioChoice(option: IoChoice | undefined): IoChoice {
  const asked = option ?? env.VERBENA_IO ?? 'auto';
  const known = IO_CHOICES.find((choice) => choice === asked);
  if (known !== undefined) return known;
  throw new VerbsError('EINVAL', 'openDevice', `\`${asked}\` is no I/O level`, {
    given: option === undefined ? 'environment variable VERBENA_IO' : 'option io',
    try: IO_CHOICES.join(', '),
  });
}

const IO_CHOICES: readonly IoChoice[] = ['auto', 'gso', 'batch', 'dgram'];
