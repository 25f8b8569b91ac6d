/** Registered memory. */
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';

export class MemoryRegion extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Names the region in requests of its own protection domain. */
  readonly lkey: number;
  /** Names the region for peers; give it to those that may reach it. */
  readonly rkey: bigint;
  /** In calls of the control path. */
  readonly handle: number;

  constructor(
    pd: ProtectionDomain,
    bytes: Uint8Array,
    made: { readonly handle: number; readonly lkey: number; readonly rkey: bigint },
  ) {
    super(pd.context);
    this.pd = pd;
    this.bytes = bytes;
    this.length = bytes.length;
    this.lkey = made.lkey;
    this.rkey = made.rkey;
    this.handle = made.handle;
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
    this.context.call('MR', 'DEREG', { handle: this.handle });
    this.context.countRegion(this.bytes, -1);
  }
}
