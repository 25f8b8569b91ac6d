/** A memory file that another process sent: a descriptor until it is mapped, then memory until its last user is done. */
import { VerbsError } from '@verbena/core';
import type { Libc } from './libc.ts';
import type { MappedMemory } from './mapped-memory.ts';
import { adoptMemoryFile } from './memory-file.ts';

/** What the files of one sender, or of all together, may take. */
export interface MappingBudget {
  mappings: number;
  bytes: number;
  readonly maxMappings: number;
  readonly maxBytes: number;
}

export class ReceivedFile {
  readonly #libc: Libc;
  readonly #budgets: readonly MappingBudget[];
  #fd: number;
  #memory: MappedMemory | undefined;
  #holders = 0;

  constructor(libc: Libc, fd: number, budgets: readonly MappingBudget[] = []) {
    this.#libc = libc;
    this.#fd = fd;
    this.#budgets = budgets;
  }

  /**
   * The whole file; mapped once, however often this is called.
   *
   * @throws VerbsError `EBADF` used up · `ENOMEM` over the budget · what {@link adoptMemoryFile} says
   */
  map(minBytes: number): MappedMemory {
    const memory = this.#memory ?? this.#adopt(minBytes);
    if (memory.bytes.length < minBytes) {
      throw new VerbsError('EINVAL', 'attachMemory', 'the memory lies outside of what was shared', {
        given: `${minBytes} of ${memory.bytes.length} bytes`,
      });
    }
    this.#memory = memory;
    this.#holders++;
    let held = true;
    return {
      bytes: memory.bytes,
      address: memory.address,
      release: () => {
        if (!held) return;
        held = false;
        if (--this.#holders > 0) return;
        this.#memory = undefined;
        for (const budget of this.#budgets) charge(budget, -1, -memory.bytes.length);
        memory.release();
      },
    };
  }

  /** Closes what was not mapped; a mapping lives on. */
  close(): void {
    if (this.#fd >= 0) this.#libc.close(this.#fd);
    this.#fd = -1;
  }

  #adopt(minBytes: number): MappedMemory {
    const fd = this.#fd;
    if (fd < 0) throw new VerbsError('EBADF', 'attachMemory', 'the memory file is used up', { try: 'send it again' });
    if (this.#budgets.some((one) => one.mappings >= one.maxMappings)) throw over('mappings');
    this.#fd = -1;
    const memory = adoptMemoryFile(this.#libc, fd, minBytes);
    const bytes = memory.bytes.length;
    if (this.#budgets.some((one) => one.bytes + bytes > one.maxBytes)) {
      memory.release();
      throw over('bytes');
    }
    for (const budget of this.#budgets) charge(budget, 1, bytes);
    return memory;
  }
}

function charge(budget: MappingBudget, mappings: number, bytes: number): void {
  budget.mappings += mappings;
  budget.bytes += bytes;
}

function over(what: 'mappings' | 'bytes'): VerbsError {
  return new VerbsError('ENOMEM', 'attachMemory', `the daemon maps no more ${what} for this client`, {
    try: 'fewer and larger memory files, or close what is no longer needed',
  });
}
