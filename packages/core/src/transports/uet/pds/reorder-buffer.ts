/**
 * Packets of ordered contexts that came ahead of their turn, copied until what is before them has come. One buffer serves
 * all contexts of an engine, and no context gets more than a share of it. @spec uet:pds/5.4 uet:pds/8 D13
 */
import { HEADER_ROOM, Packet } from '../../../engine/packet.ts';

export class ReorderBuffer {
  readonly #packets: number;
  readonly #each: number;
  readonly #share: number;
  readonly #out: { packet: Packet | undefined } = { packet: undefined };
  // by place: whose packet, and what the host said of it
  readonly #owner: Int32Array;
  readonly #psn: Uint32Array;
  readonly #length: Uint16Array;
  readonly #path: Float64Array;
  readonly #entropy: Int32Array;
  readonly #ecn: Uint8Array;
  #used = 0;

  /**
   * @param packets - most packets at a time; 0 = none is kept
   * @param payloadMtu - payload bytes of the longest
   */
  constructor(packets: number, payloadMtu: number) {
    this.#packets = packets;
    this.#each = payloadMtu + HEADER_ROOM;
    this.#share = Math.ceil(packets / SHARES);
    this.#owner = new Int32Array(packets).fill(FREE);
    this.#psn = new Uint32Array(packets);
    this.#length = new Uint16Array(packets);
    this.#path = new Float64Array(packets);
    this.#entropy = new Int32Array(packets);
    this.#ecn = new Uint8Array(packets);
  }

  /** Packets in it. */
  get size(): number {
    return this.#used;
  }

  /**
   * Copies a packet.
   * @param owner - the context, by its place in the table
   * @param held - packets of that context that are here already
   * @returns false: there is no room, in all or for this context
   */
  keep(owner: number, held: number, psn: number, from: Packet): boolean {
    if (this.#used >= this.#packets || held >= this.#share || from.length > this.#each) return false;
    this.#out.packet ??= new Packet(new Uint8Array(this.#packets * this.#each));
    const { bytes } = this.#out.packet;
    const i = this.#owner.indexOf(FREE);
    this.#used++;
    this.#owner[i] = owner;
    this.#psn[i] = psn;
    this.#length[i] = from.length;
    this.#path[i] = from.path;
    this.#entropy[i] = from.entropy;
    this.#ecn[i] = from.ecn;
    const to = i * this.#each;
    for (let n = 0; n < from.length; n++) bytes[to + n] = from.bytes[from.at + n]!;
    return true;
  }

  /** Takes the packet of that PSN out. It is valid until the next one is kept; undefined when there is none. */
  take(owner: number, psn: number): Packet | undefined {
    for (let i = 0; i < this.#packets; i++) {
      if (this.#owner[i] !== owner || this.#psn[i] !== psn) continue;
      const packet = this.#out.packet!;
      packet.reset();
      packet.at = i * this.#each;
      packet.length = this.#length[i]!;
      packet.path = this.#path[i]!;
      packet.entropy = this.#entropy[i]!;
      packet.ecn = this.#ecn[i]!;
      this.#free(i);
      return packet;
    }
    return undefined;
  }

  /** The context is gone. */
  release(owner: number): void {
    for (let i = 0; this.#used > 0 && i < this.#packets; i++) if (this.#owner[i] === owner) this.#free(i);
  }

  #free(i: number): void {
    this.#owner[i] = FREE;
    this.#used--;
  }
}

const FREE = -1;
/** A context gets one of so many parts. */
const SHARES = 4;
