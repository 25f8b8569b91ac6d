/** How the user half reaches the kernel half: in the same thread, in another, or in another process. */
import type { Message } from '../uapi/message.ts';
import type { Context } from './context.ts';

export interface KernelPort {
  /** Serves one request of the user API; what is wrong stands in the answer. @throws VerbsError EIO nobody answers */
  invoke(request: Message): Message;
  /** Moves the device on, where that is this thread's business. @returns how much was done */
  progress(): number;
  /** Work was posted and the doorbell rung: it must be served soon, without being asked again. */
  scheduleProgress(): void;
  /** Packets are found by `progress`; false: only the event loop brings them, so spinning is in vain. */
  readonly polls: boolean;
  /** Why the kernel half does not answer any more; '' while it does. */
  readonly failure: string;
  now(): number;
  /**
   * Resolves when the number (of an armed completion queue, or of an event file) is woken, or after `timeoutNs`; waking
   * early is harmless.
   *
   * @param background - the wait does not keep the program alive
   */
  wait(wake: number, timeoutNs: number, background?: boolean): Promise<void>;
  /** Wakes those that wait for a number in this process. */
  wake(wake: number): void;
  readonly memory: UserMemory;
}

/** A part of memory, as a call names it; see the structure `MEMORY`. */
export interface NamedMemory {
  readonly kind: number;
  readonly index: number;
  readonly offset: number;
  readonly length: number;
}

/** Memory of the user half, such that the kernel half can reach it. */
export interface UserMemory {
  /** Zeroed memory, aligned to 8 bytes or more. @throws VerbsError ENOMEM */
  allocate(bytes: number): Uint8Array;
  /** Gives memory of `allocate` back. */
  release(bytes: Uint8Array): void;
  /**
   * Names memory in a call of a context; what must travel beside the call is added to `attachments`.
   *
   * @throws VerbsError EINVAL it cannot be reached from the kernel half
   */
  name(context: Context, bytes: Uint8Array, attachments: unknown[]): NamedMemory;
  /** Memory that the kernel half handed out, from what travelled beside the answer. */
  map(attachment: unknown, bytes: number): Uint8Array;
  unmap(bytes: Uint8Array): void;
}
