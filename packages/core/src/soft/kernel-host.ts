/** What a software device needs from its host: memory and chance. Packets come through its links. */
import type { MemorySource } from '../device/call.ts';
import type { DmaSpace, DmaTarget } from '../engine/dma.ts';

export interface KernelHost {
  /** Made by the host, which gathers payload from it; regions are attached by the device. */
  readonly dma: DmaSpace;
  /** Seed of the engines' chance; not for secrets. */
  readonly seed: number;
  /** Random words that nobody can guess: memory keys. */
  randomWords(into: Uint32Array): void;
  /** Memory that a program shares, made reachable. @throws VerbsError EINVAL it cannot be reached */
  attachMemory(source: MemorySource): DmaTarget;
  detachMemory(target: DmaTarget): void;
  /**
   * Opens memory that a program shares once and names parts of later.
   *
   * @param attachment - what travelled with the call; undefined for the program's own address space
   * @param identity - how the host knows the program
   */
  openUmem(attachment: unknown, identity: unknown): DmaTarget;
  /** Memory of the device that programs map. */
  mapPage(bytes: number): MappedPage;
}

/** Memory that both halves see. */
export interface MappedPage {
  readonly bytes: Uint8Array;
  /** What travels to the program. */
  readonly attachment: unknown;
  release(): void;
}
