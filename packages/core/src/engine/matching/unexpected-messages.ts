/**
 * Messages that came before a receive: kept whole, in order of arrival, for all queue pairs of an engine.
 *
 * Each queue pair has two lists, with and without tags. A receive takes the oldest message that fits. Searches by the same
 * shape - the same bits of the tag, the same of source and path - get a hash of their own once a list is long and the same
 * is asked for again; what is too rare for that is searched one by one.
 *
 * What is kept is bounded in messages and in bytes. Neither a peer nor a queue pair can have more than what is left for
 * all others, so however many flood, there is room for one more. @spec uet:ses/3.4 uet:ses/4.1
 */
import type { DmaSpace } from '../dma.ts';
import type { Packet } from '../packet.ts';
import { scatter } from '../scatter.ts';
import type { ReceiveWork, Segments } from '../work.ts';
import { ChunkStore } from './chunk-store.ts';
import { type Envelope, Select, selectsOf } from './envelope.ts';
import { grown, HashChains, mix } from './hash-chains.ts';
import { Shares } from './shares.ts';

export interface UnexpectedLimits {
  readonly messages: number;
  /** Bytes of payload, in whole packets. */
  readonly bytes: number;
  /** Payload of a full packet. */
  readonly packetBytes: number;
}

/** The lists of one queue pair. */
export class UnexpectedLists {
  readonly id: number;
  /** Oldest and youngest message, and how many: untagged, tagged. */
  readonly head = [-1, -1];
  readonly tail = [-1, -1];
  readonly count = [0, 0];
  /** Messages that are reserved for a receive. */
  claimed = -1;

  constructor(id: number) {
    this.id = id;
  }
}

/** @typeParam Owner - who knows of a message while it is arriving */
export class UnexpectedMessages<Owner> {
  readonly #random: () => number;
  #seed = 0;
  readonly #limits: UnexpectedLimits;
  readonly #store: ChunkStore;
  readonly #peers = new Shares();
  readonly #queues = new Shares();
  readonly #owners: (Owner | undefined)[] = [];
  #capacity = START_CAPACITY;
  #words = new Int32Array(START_CAPACITY * WORDS);
  #totals = new Float64Array(START_CAPACITY);
  /** Bytes that are kept of each. */
  #kept = new Float64Array(START_CAPACITY);
  readonly #claims = new HashChains(START_CAPACITY);
  readonly #indexes: Index[] = [];
  /** Lists with messages in them. */
  readonly #used = new Set<UnexpectedLists>();
  #free = -1;
  #made = 0;
  #size = 0;
  #searches = 0;
  #nextLists = 1;

  /** @param random - draws what peers must not know, from 0 to below 1 */
  constructor(dma: DmaSpace, limits: UnexpectedLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
    this.#store = new ChunkStore(dma, limits.messages, limits.packetBytes, limits.bytes);
  }

  /** Messages that are kept. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that are kept or promised, in whole packets. */
  get bytes(): number {
    return this.#store.reserved * this.#limits.packetBytes;
  }

  /** The lists of a new queue pair. */
  lists(): UnexpectedLists {
    if (this.#seed === 0) this.#seed = Math.floor(this.#random() * 2 ** 32) | 1;
    return new UnexpectedLists(this.#nextLists++);
  }

  /** Whether a message can be kept. @param bytes - of it that are to be kept: all, or none of a mere head */
  hasRoom(lists: UnexpectedLists, path: number, bytes: number): boolean {
    const chunks = this.#store.chunksFor(bytes);
    const messages = this.#limits.messages - this.#size;
    const room = this.#store.capacity - this.#store.reserved;
    return (
      messages > 0 &&
      chunks <= room &&
      this.#isFair(this.#peers, path, chunks, messages, room) &&
      this.#isFair(this.#queues, lists.id, chunks, messages, room) &&
      this.#store.begin()
    );
  }

  /** What one has, with this message, is no more than what is left for all others. */
  #isFair(shares: Shares, id: number, chunks: number, messages: number, room: number): boolean {
    return shares.messages(id) < messages && (chunks === 0 || shares.chunks(id) + chunks <= room - chunks);
  }

  /**
   * Keeps a message behind all others; look before whether there is room.
   * @param owner - who brings the rest of it; undefined when it is whole
   * @param isHead - no payload is kept: the owner can have it sent
   */
  add(lists: UnexpectedLists, message: Envelope, total: number, owner: Owner | undefined, isHead = false): number {
    const i = this.#allocate();
    const words = this.#words;
    const w = i * WORDS;
    const side = message.tagged ? 1 : 0;
    const kept = isHead ? 0 : total;
    const chunks = this.#store.chunksFor(kept);
    this.#store.open(i, kept);
    this.#kept[i] = kept;
    this.#peers.add(message.path, 1, chunks);
    this.#queues.add(lists.id, 1, chunks);
    this.#owners[i] = owner;
    this.#totals[i] = total;
    words[w + LIST] = (lists.id << 1) | side;
    words[w + TAG_LO] = message.tagLo;
    words[w + TAG_HI] = message.tagHi;
    words[w + SOURCE] = message.sourceId;
    words[w + PATH] = message.path;
    words[w + JOB] = message.jobId;
    words[w + HAS_IMM] = words[w + CLAIMED] = words[w + BEGUN] = 0;
    this.#link(lists, side, i);
    const indexes = this.#indexes;
    for (let n = 0; n < indexes.length; n++) indexes[n]!.chains.append(i, this.#hashOf(indexes[n]!, i));
    return i;
  }

  /** The first packet of a message came. */
  begin(i: number, hasImm: boolean, immLo: number, immHi: number): void {
    const words = this.#words;
    const w = i * WORDS;
    words[w + BEGUN] = 1;
    words[w + HAS_IMM] = hasImm ? 1 : 0;
    words[w + IMM_LO] = immLo;
    words[w + IMM_HI] = immHi;
  }

  /** Keeps payload of a message. @param offset - place in the message: whole packets, but for the last */
  place(i: number, offset: number, packet: Packet, at: number, length: number): void {
    this.#store.place(i, this.#kept[i]!, offset, packet, at, length);
  }

  /** All of a message is here. */
  complete(i: number): void {
    this.#owners[i] = undefined;
    this.#words[i * WORDS + BEGUN] = 1;
  }

  /** Who brings the rest of a message; undefined when it is whole. */
  owner(i: number): Owner | undefined {
    return this.#owners[i];
  }

  total(i: number): number {
    return this.#totals[i]!;
  }

  /** The first packet of a message has been seen, so all that can be told of it is known. */
  begun(i: number): boolean {
    return this.#words[i * WORDS + BEGUN] === 1;
  }

  /** Tells what is known of a message. */
  describe(i: number, into: Described): void {
    const words = this.#words;
    const w = i * WORDS;
    into.tagged = (words[w + LIST]! & 1) === 1;
    into.tagLo = words[w + TAG_LO]! >>> 0;
    into.tagHi = words[w + TAG_HI]! >>> 0;
    into.sourceId = words[w + SOURCE]! >>> 0;
    into.path = words[w + PATH]! >>> 0;
    into.jobId = words[w + JOB]!;
    into.hasImm = words[w + HAS_IMM] === 1;
    into.immLo = words[w + IMM_LO]! >>> 0;
    into.immHi = words[w + IMM_HI]! >>> 0;
    into.total = this.#totals[i]!;
  }

  /** The oldest message that a receive takes, or a look finds; -1 when there is none. */
  search(lists: UnexpectedLists, receive: ReceiveWork): number {
    const side = receive.tagged ? 1 : 0;
    const count = lists.count[side]!;
    if (count === 0) return -1;
    const maskLo = receive.tagged ? ~receive.ignoreLo : 0;
    const maskHi = receive.tagged ? ~receive.ignoreHi : 0;
    const selects = selectsOf(receive);
    const index = count < LEAST_INDEXED ? undefined : this.#index(maskLo, maskHi, selects);
    return index === undefined
      ? this.#scan(lists, side, receive, maskLo, maskHi)
      : this.#find(index, (lists.id << 1) | side, receive, maskLo, maskHi);
  }

  /** Reserves a message for the receive with a number; it is found by nothing else from now on. */
  claim(lists: UnexpectedLists, i: number, idLo: number, idHi: number): void {
    const words = this.#words;
    const w = i * WORDS;
    this.#unlink(lists, i);
    words[w + CLAIMED] = 1;
    words[w + ID_LO] = idLo;
    words[w + ID_HI] = idHi;
    // claimed ones form a list too, so that they go when their queue pair goes
    words[w + PREV] = -1;
    words[w + NEXT] = lists.claimed;
    if (lists.claimed >= 0) words[lists.claimed * WORDS + PREV] = i;
    lists.claimed = i;
    this.#claims.append(i, mix(this.#seed, idLo, idHi, lists.id, 0));
  }

  /** The message that is reserved for a number; -1 when there is none. */
  claimed(lists: UnexpectedLists, idLo: number, idHi: number): number {
    const words = this.#words;
    for (let i = this.#claims.first(mix(this.#seed, idLo, idHi, lists.id, 0)); i >= 0; i = this.#claims.next(i)) {
      const w = i * WORDS;
      if (words[w + ID_LO] === (idLo | 0) && words[w + ID_HI] === (idHi | 0) && words[w + LIST]! >>> 1 === lists.id)
        return i;
    }
    return -1;
  }

  /**
   * Copies what is here of a message to where a receive wants it.
   * @param length - bytes of the message that fit
   * @returns false when the memory is gone
   */
  deliver(i: number, dma: DmaSpace, segments: Segments, base: number, length: number): boolean {
    const store = this.#store;
    const { packet } = store;
    for (let chunk = store.first(i); chunk >= 0; chunk = store.next(chunk)) {
      const offset = store.offset(chunk);
      const bytes = Math.min(store.length(chunk), length - offset);
      if (bytes > 0 && !scatter(dma, segments, base + offset, packet, store.at(chunk), bytes)) return false;
    }
    return true;
  }

  /** Forgets a message. */
  remove(lists: UnexpectedLists, i: number): void {
    const words = this.#words;
    const w = i * WORDS;
    if (words[w + CLAIMED] === 1) this.#unclaim(lists, i);
    else this.#unlink(lists, i);
    const chunks = this.#store.chunksFor(this.#kept[i]!);
    this.#peers.add(words[w + PATH]! >>> 0, -1, -chunks);
    this.#queues.add(lists.id, -1, -chunks);
    this.#store.close(i, this.#kept[i]!);
    this.#owners[i] = undefined;
    words[w + NEXT] = this.#free;
    this.#free = i;
    this.#size--;
    if (this.#size === 0) this.#indexes.length = 0;
  }

  /** Any message of a queue pair; -1 when it has none left. */
  any(lists: UnexpectedLists): number {
    return lists.head[0]! >= 0 ? lists.head[0]! : lists.head[1]! >= 0 ? lists.head[1]! : lists.claimed;
  }

  /** Gives the memory back. */
  end(): void {
    this.#store.end();
  }

  #scan(lists: UnexpectedLists, side: number, receive: ReceiveWork, maskLo: number, maskHi: number): number {
    const words = this.#words;
    const { tagLo, tagHi } = receive;
    for (let i = lists.head[side]!; i >= 0; i = words[i * WORDS + NEXT]!) {
      // most are told apart by the low word of the tag
      if (
        ((words[i * WORDS + TAG_LO]! ^ tagLo) & maskLo) !== 0 ||
        ((words[i * WORDS + TAG_HI]! ^ tagHi) & maskHi) !== 0
      )
        continue;
      if (this.#fits(i, receive, maskLo, maskHi)) return i;
    }
    return -1;
  }

  #find(index: Index, list: number, receive: ReceiveWork, maskLo: number, maskHi: number): number {
    const { chains, selects } = index;
    const hash = mix(
      this.#seed + list,
      receive.tagLo & maskLo,
      receive.tagHi & maskHi,
      (selects & Select.SOURCE) !== 0 ? receive.sourceId : 0,
      (selects & Select.PATH) !== 0 ? receive.path : 0,
    );
    const words = this.#words;
    for (let i = chains.first(hash); i >= 0; i = chains.next(i)) {
      if (words[i * WORDS + LIST] === list && this.#fits(i, receive, maskLo, maskHi)) return i;
    }
    return -1;
  }

  #fits(i: number, receive: ReceiveWork, maskLo: number, maskHi: number): boolean {
    const words = this.#words;
    const w = i * WORDS;
    return (
      ((words[w + TAG_LO]! ^ receive.tagLo) & maskLo) === 0 &&
      ((words[w + TAG_HI]! ^ receive.tagHi) & maskHi) === 0 &&
      (!receive.directed || words[w + SOURCE] === (receive.sourceId | 0)) &&
      (receive.path === 0 || words[w + PATH] === (receive.path | 0)) &&
      (receive.jobId === 0 || words[w + JOB] === receive.jobId)
    );
  }

  /** The hash for a shape, made when the shape is asked for again; undefined when there is none. */
  #index(maskLo: number, maskHi: number, selects: number): Index | undefined {
    const now = ++this.#searches;
    let idle: Index | undefined;
    for (const index of this.#indexes) {
      if (index.maskLo === maskLo && index.maskHi === maskHi && index.selects === selects) {
        index.used = now;
        return index;
      }
      if (idle === undefined || index.used < idle.used) idle = index;
    }
    // a hash costs as much as a few searches one by one: another shape gives way only after a long rest
    const isRested = idle !== undefined && now - idle.used > RESTED * this.#size;
    if (this.#indexes.length >= MAX_INDEXES && !isRested) return undefined;
    if (isRested && this.#indexes.length >= MAX_INDEXES) this.#indexes.splice(this.#indexes.indexOf(idle!), 1);
    return this.#build({ maskLo, maskHi, selects, used: now, chains: new HashChains(this.#capacity) });
  }

  #build(index: Index): Index {
    // in order of arrival: entries of all lists, each list by itself
    this.#indexes.push(index);
    const words = this.#words;
    for (const lists of this.#used) {
      for (let side = 0; side < 2; side++) {
        for (let i = lists.head[side]!; i >= 0; i = words[i * WORDS + NEXT]!) {
          index.chains.append(i, this.#hashOf(index, i));
        }
      }
    }
    return index;
  }

  #hashOf({ maskLo, maskHi, selects }: Index, i: number): number {
    const words = this.#words;
    const w = i * WORDS;
    const list = words[w + LIST]!;
    const isTagged = (list & 1) === 1;
    return mix(
      this.#seed + list,
      isTagged ? words[w + TAG_LO]! & maskLo : 0,
      isTagged ? words[w + TAG_HI]! & maskHi : 0,
      (selects & Select.SOURCE) !== 0 ? words[w + SOURCE]! : 0,
      (selects & Select.PATH) !== 0 ? words[w + PATH]! : 0,
    );
  }

  #link(lists: UnexpectedLists, side: number, i: number): void {
    const words = this.#words;
    const last = lists.tail[side]!;
    words[i * WORDS + NEXT] = -1;
    words[i * WORDS + PREV] = last;
    if (last < 0) {
      lists.head[side] = i;
      this.#used.add(lists);
    } else words[last * WORDS + NEXT] = i;
    lists.tail[side] = i;
    lists.count[side]!++;
  }

  #unlink(lists: UnexpectedLists, i: number): void {
    const words = this.#words;
    const w = i * WORDS;
    const side = words[w + LIST]! & 1;
    const before = words[w + PREV]!;
    const after = words[w + NEXT]!;
    if (before < 0) lists.head[side] = after;
    else words[before * WORDS + NEXT] = after;
    if (after < 0) lists.tail[side] = before;
    else words[after * WORDS + PREV] = before;
    lists.count[side]!--;
    if (lists.count[0] === 0 && lists.count[1] === 0) this.#used.delete(lists);
    const indexes = this.#indexes;
    for (let n = 0; n < indexes.length; n++) indexes[n]!.chains.remove(i);
  }

  #unclaim(lists: UnexpectedLists, i: number): void {
    const words = this.#words;
    const w = i * WORDS;
    const before = words[w + PREV]!;
    const after = words[w + NEXT]!;
    if (before < 0) lists.claimed = after;
    else words[before * WORDS + NEXT] = after;
    if (after >= 0) words[after * WORDS + PREV] = before;
    this.#claims.remove(i);
  }

  #allocate(): number {
    let i = this.#free;
    if (i >= 0) this.#free = this.#words[i * WORDS + NEXT]!;
    else {
      if (this.#made === this.#capacity) this.#grow();
      i = this.#made++;
    }
    this.#size++;
    return i;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#words = grown(this.#words, this.#capacity * WORDS);
    this.#totals = longer(this.#totals, this.#capacity);
    this.#kept = longer(this.#kept, this.#capacity);
    this.#claims.grow(this.#capacity);
    for (const { chains } of this.#indexes) chains.grow(this.#capacity);
  }
}

function longer(from: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(length);
  to.set(from);
  return to;
}

/** What is told of a message. */
export class Described {
  tagged = false;
  tagLo = 0;
  tagHi = 0;
  sourceId = 0;
  path = 0;
  jobId = 0;
  hasImm = false;
  immLo = 0;
  immHi = 0;
  total = 0;
}

/** Messages by what searches of one shape look for. */
interface Index {
  readonly maskLo: number;
  readonly maskHi: number;
  readonly selects: number;
  /** When it was last searched. */
  used: number;
  readonly chains: HashChains;
}

const START_CAPACITY = 64;
/** Lists that are shorter are searched one by one. */
const LEAST_INDEXED = 16;
const MAX_INDEXES = 8;
/** Searches, for each message that is kept, after which an index that nobody used gives way. */
const RESTED = 4;

// places in an entry's words
const [TAG_LO, TAG_HI, LIST, SOURCE, PATH, JOB, NEXT, PREV, CLAIMED, BEGUN] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const [ID_LO, ID_HI, HAS_IMM, IMM_LO, IMM_HI, WORDS] = [10, 11, 12, 13, 14, 16];
