/** What the two sides of a tool say to each other before and after their RDMA traffic travels on. */
import type { AbortSignalLike } from '@verbena/core';

/** One request and one answer at a time; both sides know from the protocol how long each is. */
export interface ExchangeLink {
  /** How cards travel: as lines of text over a socket, or as a structure in SENDs. */
  readonly form: 'text' | 'structure';
  /** The peer, for messages. */
  readonly peer: string;
  /**
   * Waits for the next `bytes` bytes.
   *
   * @throws VerbsError `ETIMEDOUT` they did not come in time · `EIO` the peer went away. An aborted `signal` throws its
   *   reason.
   */
  read(bytes: number, options?: ReadOptions): Promise<Uint8Array>;
  /** @throws VerbsError `EIO` the peer went away · `ETIMEDOUT` it does not take them */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that this side has nothing more to say, and waits until the peer goes away, or for the time given. */
  drain(timeoutMs: number): Promise<void>;
  close(): void;
}

export interface ReadOptions {
  /** Default {@link EXCHANGE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignalLike | undefined;
  /** What is waited for, for messages. */
  readonly what?: string;
}

/** How long the peer gets for each answer: emulated machines take seconds for what others do in a millisecond. */
export const EXCHANGE_TIMEOUT_MS = 30_000;
