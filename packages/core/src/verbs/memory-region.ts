/** Registered memory. */
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';
import { joinWords } from './word-pair.ts';

export class MemoryRegion extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Names the region in requests of its own protection domain. */
  readonly lkey: number;
  /** Names the region for peers; give it to those that may reach it. */
  readonly rkey: bigint;
  readonly #handle: number;

  constructor(
    pd: ProtectionDomain,
    bytes: Uint8Array,
    made: { readonly region: number; readonly lkey: number; readonly keyLo: number; readonly keyHi: number },
  ) {
    super(pd.context);
    this.pd = pd;
    this.bytes = bytes;
    this.length = bytes.length;
    this.lkey = made.lkey;
    this.rkey = joinWords(made.keyLo, made.keyHi);
    this.#handle = made.region;
    pd.context.countRegion(bytes, 1);
  }

  /**
   * Ends all access at once, also for work under way: requests of this side that name the region fail, peers get an
   * access error.
   */
  deregister(): void {
    this.end();
  }

  describe(): string {
    return `the memory region of ${this.length} bytes (lkey ${this.lkey})`;
  }

  protected destroyHandle(): void {
    this.context.port.call('deregisterMemory', { context: this.context.handle, region: this.#handle });
    this.context.countRegion(this.bytes, -1);
  }
}
