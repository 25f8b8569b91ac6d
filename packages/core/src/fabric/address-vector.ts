/** Peers by number: a table of addresses. @spec uet:ses/7.1 uet:ses/7.4 */
import { formatAddress } from '../base/ip-address.ts';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import type { AddressHandle } from '../verbs/address-handle.ts';
import type { JobKey } from '../verbs/job.ts';
import { addressText, decodeAddress, FABRIC_ADDRESS_BYTES, PeerAbility, queuePairNumber } from './address.ts';
import type { Domain } from './domain.ts';
import { FabricObject } from './fabric-object.ts';
import { SourceIndex } from './source-index.ts';

export interface AddressVectorOptions {
  /** Most peers. Default 65,536, or what the device has. */
  readonly size?: number;
}

export interface InsertOptions {
  /** What `insertAuthKey` returned: the job that is worked for with these peers. */
  readonly authKey?: number;
}

/** Anybody: receives that name no sender. */
export const ANY_SOURCE = -1;
/** No peer: what `insertAll` gives for an address that cannot be used. */
export const NOT_AVAILABLE = -1;

/** A peer as endpoints use it. */
export interface Peer {
  readonly handle: AddressHandle;
  readonly address: Uint8Array;
  readonly initiator: number;
  readonly singlePacket: boolean;
  /** What it can do; who does not say can do everything. */
  readonly takesTags: boolean;
  readonly takesAtomics: boolean;
  /** Accesses may be repeated there. */
  readonly takesRepeats: boolean;
  readonly jobKey: JobKey | undefined;
}

/** All peers of a job. */
export interface JobPeers {
  readonly jobKey: JobKey | undefined;
  readonly id: number;
  readonly authKey: Uint8Array;
}

export class AddressVector extends FabricObject {
  readonly domain: Domain;
  readonly size: number;
  readonly #peers: (Peer | undefined)[] = [];
  readonly #jobs = new Map<number, JobPeers>();
  readonly #sources = new SourceIndex();
  readonly #free: number[] = [];

  /** For `Domain.openAddressVector`. */
  constructor(domain: Domain, { size = DEFAULT_SIZE }: AddressVectorOptions) {
    super();
    const most = Math.min(DEFAULT_SIZE, domain.context.attributes.maxAh);
    if (!Number.isInteger(size) || size < 1 || size > DEFAULT_SIZE) {
      throw new VerbsError('EINVAL', 'openAddressVector', `an address vector cannot hold ${size} peers`, {
        try: `1 to ${DEFAULT_SIZE}`,
      });
    }
    this.domain = domain;
    this.size = Math.min(size, most);
    domain.hold(this);
  }

  /** Peers, and keys that stand for all peers of a job. */
  get count(): number {
    return this.#peers.length - this.#free.length;
  }

  /**
   * Adds a peer.
   *
   * @param address - 32 bytes, as its `endpoint.getName()` gave
   * @returns its number
   * @throws VerbsError `EINVAL` no address, no such key · `ENOSPC` the vector is full, or the device has no more
   */
  insert(address: Uint8Array, options: InsertOptions = {}): number {
    this.check('insert');
    const decoded = decodeAddress('insert', address);
    const jobKey = options.authKey === undefined ? undefined : this.#jobAt('insert', options.authKey).jobKey;
    const at = this.#place('insert');
    const handle = this.domain.pd.createAddressHandle({
      address: formatAddress(decoded.fabricAddress),
      port: decoded.port,
      qpn: queuePairNumber(decoded),
      sgidIndex: this.domain.info.sgidIndex,
    });
    const { initiator, singlePacket, abilities = PeerAbility.HPC } = decoded;
    this.#take(at, {
      ...{ handle, address: address.slice(0, FABRIC_ADDRESS_BYTES), initiator, singlePacket, jobKey },
      takesTags: (abilities & (PeerAbility.TAGGED | PeerAbility.AI_FULL | PeerAbility.HPC)) !== 0,
      takesAtomics: (abilities & (PeerAbility.ATOMIC | PeerAbility.AI_FULL | PeerAbility.HPC)) !== 0,
      takesRepeats: (abilities & (PeerAbility.IDEMPOTENT | PeerAbility.HPC)) !== 0,
    });
    this.#sources.add(handle.path, initiator, at);
    return at;
  }

  /** Adds many. @returns their numbers, {@link NOT_AVAILABLE} for those that cannot be used */
  insertAll(addresses: readonly Uint8Array[], options: InsertOptions = {}): number[] {
    this.check('insertAll');
    return addresses.map((one) => {
      try {
        return this.insert(one, options);
      } catch (thrown) {
        if (isVerbsError(thrown)) return NOT_AVAILABLE;
        throw thrown;
      }
    });
  }

  /**
   * Adds an authorisation key: its number stands for all peers of that job, for receives that take from nobody else, and
   * for peers that are worked with for that job.
   *
   * @throws VerbsError EINVAL no key of 4 or 32 bytes, or the domain has one key for all
   */
  insertAuthKey(key: Uint8Array): number {
    this.check('insertAuthKey');
    if (!this.domain.isAbsolute) {
      throw this.refusal(
        'insertAuthKey',
        'endpoints of the domain work for one job',
        "openDomain(info, { authKeysFrom: 'address-vector' })",
      );
    }
    const joined = this.domain.jobs.join('insertAuthKey', key);
    const at = this.#place('insertAuthKey');
    this.#take(at, undefined);
    this.#jobs.set(at, { jobKey: joined?.jobKey, id: joined?.id ?? 0, authKey: key.slice() });
    return at;
  }

  /** The authorisation key of a number. @throws VerbsError EINVAL none has it */
  lookupAuthKey(number: number): Uint8Array {
    this.check('lookupAuthKey');
    return this.#jobAt('lookupAuthKey', number).authKey.slice();
  }

  /**
   * Forgets a peer, or a key; the number may be given to another. Operations that the device has not begun fail.
   *
   * @throws VerbsError EINVAL nobody has this number
   */
  remove(number: number): void {
    this.check('remove');
    const peer = this.#peers[number];
    if (peer === undefined && !this.#jobs.has(number)) throw this.unknown('remove', number);
    if (peer !== undefined) {
      this.#sources.remove(peer.handle.path, peer.initiator, number);
      peer.handle.destroy();
    }
    this.#jobs.delete(number);
    this.#peers[number] = undefined;
    this.#free.push(number);
  }

  /** The 32 bytes of a peer. @throws VerbsError EINVAL nobody has this number */
  lookup(number: number): Uint8Array {
    this.check('lookup');
    const peer = this.#peers[number];
    if (peer === undefined) throw this.unknown('lookup', number);
    return peer.address.slice();
  }

  /** An address in words. */
  text(address: Uint8Array): string {
    return addressText(decodeAddress('text', address));
  }

  describe(): string {
    return `the address vector of ${this.count} peers`;
  }

  /** For endpoints only. */
  peer(number: number): Peer | undefined {
    return this.#peers[number];
  }

  /** For endpoints only. */
  job(number: number): JobPeers | undefined {
    return this.#jobs.get(number);
  }

  /** For endpoints only: who is behind a path with this identity; -1: nobody here. */
  source(path: number, initiator: number): number {
    return this.#sources.find(path, initiator);
  }

  /** For endpoints only. */
  unknown(call: string, number: number): VerbsError {
    return this.refusal(call, `nobody has the number ${number} here (FI_EADDRNOTAVAIL)`, 'what `insert` returned');
  }

  protected release(): void {
    for (const peer of this.#peers) peer?.handle.destroy();
    this.domain.letGo(this);
  }

  #jobAt(call: string, number: number): JobPeers {
    const job = this.#jobs.get(number);
    if (job !== undefined) return job;
    throw this.refusal(call, `${number} is not an authorisation key here`, 'what `insertAuthKey` returned');
  }

  #place(call: string): number {
    const free = this.#free.at(-1);
    if (free !== undefined) return free;
    if (this.#peers.length < this.size) return this.#peers.length;
    throw this.refusal(call, `it holds ${this.size} peers and no more`, 'a larger `size`', 'ENOSPC');
  }

  #take(at: number, peer: Peer | undefined): void {
    if (this.#free.at(-1) === at) this.#free.pop();
    this.#peers[at] = peer;
  }
}

const DEFAULT_SIZE = 65_536;
