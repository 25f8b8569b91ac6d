/** What the kernel half of a device needs from its host: packets, memory, chance, and a way to wake programs. */
import type { DmaSpace, DmaTarget } from '../engine/dma.ts';
import type { PeerAddress, WireHost } from '../engine/wire-host.ts';

export interface KernelHost {
  readonly wire: WireHost;
  /** Made by the host, which gathers payload from it; regions are attached by the device. */
  readonly dma: DmaSpace;
  /** Routes that the wire can tell apart for one path. */
  readonly entropies: number;
  /** Bytes that the wire can buffer before packets are lost; 0 = unknown. */
  readonly receiveBufferBytes: number;
  /** Address and port of this device. */
  readonly localAddress: PeerAddress;
  /** The I/O level in use: 'gso', 'batch', 'dgram', 'simulated'. */
  readonly level: string;
  /** Seed of the engine's chance; not for secrets. */
  readonly seed: number;
  /** Random words that nobody can guess: memory keys. */
  randomWords(into: Uint32Array): void;
  /** Makes memory that a program shares reachable. @throws VerbsError EINVAL memory that cannot be reached */
  attachMemory(share: MemoryShare): DmaTarget;
  detachMemory(target: DmaTarget): void;
  /** An armed completion queue, or a context that waits for events, got something. */
  wake(handle: number): void;
}

/** Memory on its way from the user half to the kernel half; survives a structured clone except for `bytes`. */
export type MemoryShare =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'mapped'; readonly address: number; readonly length: number }
  | { readonly kind: 'shared'; readonly buffer: SharedArrayBuffer; readonly offset: number; readonly length: number };

/** Bytes of a share. */
export const shareLength = (share: MemoryShare): number => (share.kind === 'bytes' ? share.bytes.length : share.length);
