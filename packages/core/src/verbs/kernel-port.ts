/** How the user half reaches the kernel half, in the same thread or in another. */
import type { CallIn, CallOut, KernelCallName } from '../device/kernel-calls.ts';
import type { MemoryShare } from '../device/kernel-host.ts';
import type { Nanos } from '../engine/time.ts';

export interface KernelPort {
  /** A call of the control path; throws what the kernel half throws. */
  call<N extends KernelCallName>(name: N, args: CallIn<N>): CallOut<N>;
  /** Moves the device on, where that is this thread's business. @returns how much was done */
  progress(): number;
  /** Work was posted and the doorbell rung: it must be served soon, without being asked again. */
  scheduleProgress(): void;
  /** Packets are found by `progress`; false: only the event loop brings them, so spinning is in vain. */
  readonly polls: boolean;
  now(): Nanos;
  /**
   * Resolves when the object (an armed completion queue, a context that waits for events) is woken, or after
   * `timeoutNs`; waking early is harmless.
   */
  wait(handle: number, timeoutNs: number): Promise<void>;
  /** Wakes those that wait for an object in this process. */
  wake(handle: number): void;
  readonly memory: UserMemory;
}

/** Memory of the user half, such that the kernel half can reach it. */
export interface UserMemory {
  /** Zeroed memory with a buffer of its own, aligned to 8 bytes or more. @throws VerbsError ENOMEM */
  allocate(bytes: number): Uint8Array;
  /** Gives memory of `allocate` back. */
  release(bytes: Uint8Array): void;
  /** Describes memory to the kernel half. @throws VerbsError EINVAL it cannot be reached from there */
  share(bytes: Uint8Array): MemoryShare;
}
