/** SHA-256 of a stream, computed in small steps so that the device is driven in between. */
import { createHash, type Hash } from 'node:crypto';
import type { Context } from '@verbena/core';

export class StreamHash {
  readonly #hash: Hash = createHash('sha256');
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += STEP) {
      this.#hash.update(bytes.subarray(at, at + STEP));
      this.#context.progress();
    }
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

/** About 60 us of work. */
const STEP = 128 * 1024;
