/**
 * Paths: (remote address, UDP port) to a small number from 1, found for each packet without allocating.
 *
 * A peer is named by its address alone: its source port only spreads packets over routes, and replies go to the
 * port that peers listen on. The exception is a peer on our own address, another process of this host with another
 * port: there the source port is the peer's name.
 */
import type { PeerAddress } from '@verbena/core';

export class PeerTable {
  /** A path that leads to our own address must leave through the main socket, whose port names us. */
  readonly own = new Uint8Array(MAX_PATHS + 1);
  /** Grows when an address got another path than before: what was remembered of it is stale. */
  renamed = 0;
  readonly #words = new Int32Array(4 * (MAX_PATHS + 1));
  readonly #ports = new Uint16Array(MAX_PATHS + 1);
  readonly #made: (PeerAddress | undefined)[] = [undefined];
  /** Made on purpose, by an address handle, not by a packet that came in. */
  readonly #explicit = new Uint8Array(MAX_PATHS + 1);
  /** Open addressing; 0 is empty. One table by (address, port), one by address alone. */
  readonly #byEndpoint = new Uint16Array(BUCKETS);
  readonly #byAddress = new Uint16Array(BUCKETS);
  readonly #self: Int32Array;
  readonly #peerPort: number;

  constructor(self: Uint8Array, peerPort: number) {
    this.#self = toWords(self);
    this.#peerPort = peerPort;
  }

  get size(): number {
    return this.#made.length - 1;
  }

  /** The path for an address handle; 0 when the table is full. */
  path(peer: PeerAddress): number {
    const [w0, w1, w2, w3] = toWords(peer.address) as unknown as [number, number, number, number];
    const port = peer.port === 0 ? this.#peerPort : peer.port;
    const known = this.#find(this.#byEndpoint, w0, w1, w2, w3, port);
    const path = known !== 0 ? known : this.#add(w0, w1, w2, w3, port, MAX_PATHS);
    if (path !== 0 && this.own[path] === 0) {
      this.#explicit[path] = 1;
      this.#name(path, w0, w1, w2, w3);
    }
    return path;
  }

  /**
   * The path that a packet came over, by its source. Made on first use, but packets alone cannot fill the table.
   *
   * @returns 0 for an unknown source while the table is full
   */
  arrival(w0: number, w1: number, w2: number, w3: number, port: number): number {
    const self = this.#self;
    if (w0 === self[0] && w1 === self[1] && w2 === self[2] && w3 === self[3]) {
      const known = this.#find(this.#byEndpoint, w0, w1, w2, w3, port);
      return known !== 0 ? known : this.#add(w0, w1, w2, w3, port, MAX_ARRIVED);
    }
    const known = this.#find(this.#byAddress, w0, w1, w2, w3, ANY_PORT);
    if (known !== 0) return known;
    const path = this.#add(w0, w1, w2, w3, this.#peerPort, MAX_ARRIVED);
    if (path !== 0) this.#name(path, w0, w1, w2, w3);
    return path;
  }

  peer(path: number): PeerAddress | undefined {
    return this.#made[path];
  }

  /** The port that packets on this path are sent to. */
  port(path: number): number {
    return this.#ports[path]!;
  }

  /** Makes `path` what packets from its address belong to, unless a path made on purpose already is. */
  #name(path: number, w0: number, w1: number, w2: number, w3: number): void {
    const bucket = this.#bucket(this.#byAddress, w0, w1, w2, w3, ANY_PORT);
    const named = this.#byAddress[bucket]!;
    if (named !== 0 && this.#explicit[named] === 1) return;
    this.#byAddress[bucket] = path;
    this.renamed++;
  }

  #add(w0: number, w1: number, w2: number, w3: number, port: number, limit: number): number {
    const path = this.#made.length;
    if (path > limit) return 0;
    const words = this.#words;
    words[4 * path] = w0;
    words[4 * path + 1] = w1;
    words[4 * path + 2] = w2;
    words[4 * path + 3] = w3;
    this.#ports[path] = port;
    const self = this.#self;
    this.own[path] = w0 === self[0] && w1 === self[1] && w2 === self[2] && w3 === self[3] ? 1 : 0;
    this.#made.push({ address: new Uint8Array(words.slice(4 * path, 4 * path + 4).buffer), port });
    this.#byEndpoint[this.#bucket(this.#byEndpoint, w0, w1, w2, w3, port)] = path;
    return path;
  }

  #find(table: Uint16Array, w0: number, w1: number, w2: number, w3: number, port: number): number {
    return table[this.#bucket(table, w0, w1, w2, w3, port)]!;
  }

  /** Where this key stands, or would. The tables are at most a quarter full, so there is always an empty bucket. */
  #bucket(table: Uint16Array, w0: number, w1: number, w2: number, w3: number, port: number): number {
    const words = this.#words;
    let hash = Math.imul(w0 ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35), 0x9e3779b1);
    hash = Math.imul(hash ^ w3 ^ (hash >>> 15), 0x85ebca6b);
    hash = Math.imul(hash ^ port ^ (hash >>> 13), 0xc2b2ae35);
    for (let bucket = (hash ^ (hash >>> 16)) & (BUCKETS - 1); ; bucket = (bucket + 1) & (BUCKETS - 1)) {
      const path = table[bucket]!;
      if (path === 0) return bucket;
      const at = 4 * path;
      if (
        words[at + 3] === w3 &&
        words[at + 2] === w2 &&
        words[at + 1] === w1 &&
        words[at] === w0 &&
        (port === ANY_PORT || this.#ports[path] === port)
      ) {
        return bucket;
      }
    }
  }
}

function toWords(address: Uint8Array): Int32Array {
  return new Int32Array(Uint8Array.from(address).buffer);
}

/** Most paths of one wire. */
export const MAX_PATHS = 4096;
/** Of these, packets from unknown sources can take so many; the rest is kept for address handles. */
const MAX_ARRIVED = 3072;
const BUCKETS = 16_384;
/** As a key: the entry stands for the address, whatever the port. */
const ANY_PORT = -1;
