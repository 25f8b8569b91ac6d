/** Memory windows: a part of a region that requests open to peers and close again. @spec verbs/1.4 */
import type { AccessRight } from './access-rights.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { RemoteMemory } from './remote-memory.ts';
import { VerbsObject } from './verbs-object.ts';

/** What a window is to show. */
export interface BindRequest {
  /** Registered with 'window-bind'; writable here if peers are to write. */
  readonly region: MemoryRegion;
  /** Default 0. */
  readonly offset?: number;
  /** Default: to the end of the region. 0 closes a window of type 1. */
  readonly length?: number;
  readonly access: readonly Extract<AccessRight, 'remote-write' | 'remote-read' | 'remote-atomic'>[];
  /** New key; differs from `window.rkey` in the low 8 bits only. Default: those count up. */
  readonly rkey?: bigint;
  readonly id?: number | bigint;
  readonly signaled?: boolean;
}

/** Open it with `qp.bindWindow`; close it with `qp.invalidate` (type 2), with length 0 (type 1), or `free`. */
export class MemoryWindow extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly handle: number;
  /** Names it in requests. */
  readonly number: number;
  /** 1: reachable through all queue pairs of the domain. 2: only through the one that opened it. */
  readonly type: 1 | 2;
  #rkey: bigint;

  /** For `ProtectionDomain.allocateWindow`. */
  constructor(
    pd: ProtectionDomain,
    type: 1 | 2,
    made: { readonly handle: number; readonly number: number; readonly rkey: bigint },
  ) {
    super(pd.context);
    this.pd = pd;
    this.type = type;
    this.handle = made.handle;
    this.number = made.number;
    this.#rkey = made.rkey;
  }

  /** The key of the last bind that was posted; valid once that has completed, and not if it failed. */
  get rkey(): bigint {
    return this.#rkey;
  }

  /** For peers in the same process. */
  get remote(): RemoteMemory {
    return new RemoteMemory(this.#rkey);
  }

  /** For queue pairs: the next bind has this key. */
  posted(rkey: bigint): void {
    this.#rkey = rkey;
  }

  /** Ends the window, open or not. */
  free(): void {
    this.end();
  }

  describe(): string {
    return `${NAME} ${this.number}`;
  }

  protected destroyHandle(): void {
    this.context.call('MW', 'DEALLOC', { handle: this.handle });
  }
}

const NAME = 'the memory window';

/** The key after this one: the low 8 bits count up, the others stay. */
export const nextKey = (rkey: bigint): bigint => (rkey & ~0xffn) | ((rkey + 1n) & 0xffn);
