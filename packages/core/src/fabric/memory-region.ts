/** Registered memory: operations name it, and peers reach it by its key and an offset from its start. @spec uet:ses/5 */
import { VerbsError } from '../base/verbs-error.ts';
import type { AccessRight } from '../verbs/access-rights.ts';
import type { MemoryRegion as VerbsRegion } from '../verbs/memory-region.ts';
import { RemoteMemory } from '../verbs/remote-memory.ts';
import type { Domain } from './domain.ts';
import type { Endpoint } from './endpoint.ts';
import { FabricObject } from './fabric-object.ts';

/** What memory is for. Receiving and reading into it need `receive` or `read`; sending from it needs nothing. */
export interface MemoryAccess {
  readonly receive?: boolean;
  readonly read?: boolean;
  readonly remoteRead?: boolean;
  readonly remoteWrite?: boolean;
  readonly remoteAtomic?: boolean;
}

export interface MemoryOptions extends MemoryAccess {
  /** The key that peers use, below 2^48, instead of a random one. */
  readonly key?: bigint;
  /** Only this job may reach it: 4 bytes, big-endian, or a capability. */
  readonly authKey?: Uint8Array;
  /** Every access may be repeated without harm: peers may use what needs less state for that. For protocols that have it. */
  readonly idempotent?: boolean;
}

export class MemoryRegion extends FabricObject {
  readonly domain: Domain;
  readonly bytes: Uint8Array;
  readonly length: number;
  /** For peers: at most 48 bits, and bit 63 when accesses may be repeated. */
  readonly key: bigint;
  /** For operations only. */
  readonly region: VerbsRegion;
  readonly #isAllocated: boolean;

  /** For `Domain.registerMemory` and `Domain.allocate`. */
  constructor(domain: Domain, bytes: Uint8Array, options: MemoryOptions, isAllocated: boolean) {
    super();
    const { authKey, key, idempotent = false } = options;
    const jobKey = authKey === undefined ? undefined : domain.jobs.join('registerMemory', authKey)?.jobKey;
    this.domain = domain;
    this.bytes = bytes;
    this.length = bytes.length;
    this.#isAllocated = isAllocated;
    this.region = domain.pd.registerMemory(bytes, {
      access: rightsOf(options),
      ...(key === undefined ? {} : { key }),
      ...(jobKey === undefined ? {} : { jobKey }),
      ...(idempotent ? { idempotent } : {}),
    });
    this.key = this.region.rkey;
    domain.hold(this);
  }

  /**
   * Peers reach it through this endpoint, and through no other that it is not bound to.
   *
   * @throws VerbsError EINVAL the endpoint is not enabled, or of another domain
   */
  bind(endpoint: Endpoint): void {
    this.check('bind');
    if (endpoint.domain !== this.domain) {
      throw this.refusal('bind', 'the endpoint is of another domain', 'an endpoint of the same domain');
    }
    endpoint.attach(this.region);
  }

  describe(): string {
    return `the memory region of ${this.length} bytes`;
  }

  protected release(): void {
    this.region.deregister();
    if (this.#isAllocated) this.domain.context.release(this.bytes);
    this.domain.letGo(this);
  }
}

/** Memory of a peer: its key, split once. */
export class RemoteKey {
  readonly key: bigint;
  readonly memory: RemoteMemory;
  /** Accesses may be repeated without harm. */
  readonly isIdempotent: boolean;

  /** @throws VerbsError EINVAL no key of 64 bits */
  constructor(key: bigint) {
    if (key < 0n || key >> 64n !== 0n) {
      throw new VerbsError('EINVAL', 'RemoteKey', `${key} is not a key of 64 bits`, {
        try: '`region.key` of the peer',
      });
    }
    this.key = key;
    this.isIdempotent = (key & IDEMPOTENT) !== 0n;
    this.memory = new RemoteMemory(key);
  }
}

function rightsOf({ receive, read, remoteRead, remoteWrite, remoteAtomic }: MemoryAccess): AccessRight[] {
  const rights: AccessRight[] = [];
  if (receive || read || remoteWrite || remoteAtomic) rights.push('local-write');
  if (remoteRead) rights.push('remote-read');
  if (remoteWrite) rights.push('remote-write');
  if (remoteAtomic) rights.push('remote-atomic');
  return rights;
}

/** Bit 63 of a key. @spec uet:ses/5.1 */
const IDEMPOTENT = 1n << 63n;
