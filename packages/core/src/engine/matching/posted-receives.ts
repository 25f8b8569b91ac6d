/**
 * The receives of one queue pair that wait for messages. The oldest that fits a message takes it.
 *
 * Receives of one shape - the same bits of the tag count, the same of source and path are asked for - are found by a hash
 * over just that, however many there are. A message is looked up once for each shape in use, of which there are few; among
 * what is found the smallest order number wins. Shapes beyond a bound share a list that is searched one by one.
 *
 * Entries live in typed arrays that double when they are full: as many as the receive ring is long. @spec uet:ses/4.1
 */
import type { ReceiveWork } from '../work.ts';
import { type Envelope, Select, selectsOf } from './envelope.ts';
import { grown, HashChains, mix } from './hash-chains.ts';
import { MultiReceive } from './multi-receive.ts';

export class PostedReceives {
  readonly #seed: number;
  #capacity = START_CAPACITY;
  #words = new Int32Array(START_CAPACITY * WORDS);
  #numbers = new Float64Array(START_CAPACITY * NUMBERS);
  #multi: (MultiReceive | undefined)[] = [];
  readonly #chains = new HashChains(START_CAPACITY);
  readonly #ids = new HashChains(START_CAPACITY);
  // entries in use, oldest first; free ones are linked through NEXT
  #oldest = -1;
  #youngest = -1;
  #free = -1;
  #made = 0;
  #size = 0;
  #order = 0;
  #lowest = 0;
  // shapes: those in use have a count
  readonly #shapeTagged = new Uint8Array(MAX_SHAPES);
  readonly #shapeSelects = new Uint8Array(MAX_SHAPES);
  readonly #shapeMaskLo = new Int32Array(MAX_SHAPES);
  readonly #shapeMaskHi = new Int32Array(MAX_SHAPES);
  readonly #shapeCount = new Int32Array(MAX_SHAPES);
  /** Shapes from here on are unused. */
  #shapes = 0;
  // receives whose shape found no place
  #restHead = -1;
  #restTail = -1;

  /** @param seed - a number that peers do not know, from 0 to below 1 */
  constructor(seed: number) {
    this.#seed = Math.floor(seed * 2 ** 32) | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** The oldest receive; -1 when there is none. */
  get first(): number {
    return this.#oldest;
  }

  /** Adds a receive behind all others. @returns its entry */
  post(receive: ReceiveWork): number {
    return this.#add(receive, false);
  }

  /** Puts a receive back that was taken in vain: before all others. @returns its entry */
  restore(receive: ReceiveWork): number {
    return this.#add(receive, true);
  }

  #add(receive: ReceiveWork, isFirst: boolean): number {
    const i = this.#allocate(isFirst);
    const words = this.#words;
    const numbers = this.#numbers;
    const w = i * WORDS;
    const n = i * NUMBERS;
    const { segments, tagged } = receive;
    const selects = selectsOf(receive);
    const maskLo = tagged ? ~receive.ignoreLo : 0;
    const maskHi = tagged ? ~receive.ignoreHi : 0;
    words[w + ID_LO] = receive.wrIdLo;
    words[w + ID_HI] = receive.wrIdHi;
    words[w + TAGGED] = tagged ? 1 : 0;
    words[w + TAG_LO] = receive.tagLo & maskLo;
    words[w + TAG_HI] = receive.tagHi & maskHi;
    words[w + MASK_LO] = maskLo;
    words[w + MASK_HI] = maskHi;
    words[w + SELECTS] = selects;
    words[w + SOURCE] = receive.sourceId;
    words[w + PATH] = receive.path;
    words[w + JOB] = receive.jobId;
    words[w + SEGMENTS] = segments.count;
    numbers[n + ORDER] = isFirst ? --this.#lowest : this.#order++;
    numbers[n + LENGTH] = receive.length;
    for (let s = 0; s < segments.count; s++) {
      words[w + REGIONS + s] = segments.region[s]!;
      numbers[n + OFFSETS + s] = segments.offset[s]!;
      numbers[n + LENGTHS + s] = segments.length[s]!;
    }
    if (receive.multi) {
      this.#multi[i] = new MultiReceive(receive.length, receive.minBytes);
    }
    const shape = this.#shape(tagged ? 1 : 0, maskLo, maskHi, selects);
    words[w + SHAPE] = shape;
    const id = mix(this.#seed, receive.wrIdLo, receive.wrIdHi, 0, 0);
    if (isFirst) this.#ids.prepend(i, id);
    else this.#ids.append(i, id);
    if (shape === REST) {
      this.#linkRest(i, isFirst);
      return i;
    }
    this.#shapeCount[shape]!++;
    const hash = this.#hash(shape, receive.tagLo, receive.tagHi, receive.sourceId, receive.path);
    if (isFirst) this.#chains.prepend(i, hash);
    else this.#chains.append(i, hash);
    return i;
  }

  /** The oldest receive that takes a message; -1 when none does. It stays. */
  match(message: Envelope): number {
    const words = this.#words;
    const numbers = this.#numbers;
    const { tagLo, tagHi, sourceId, path, jobId } = message;
    const tagged = message.tagged ? 1 : 0;
    let best = -1;
    let bestOrder = Number.POSITIVE_INFINITY;
    for (let shape = 0; shape < this.#shapes; shape++) {
      if (this.#shapeCount[shape] === 0 || this.#shapeTagged[shape] !== tagged) continue;
      const lo = tagLo & this.#shapeMaskLo[shape]!;
      const hi = tagHi & this.#shapeMaskHi[shape]!;
      const selects = this.#shapeSelects[shape]!;
      const hash = this.#hash(shape, tagLo, tagHi, sourceId, path);
      for (let i = this.#chains.first(hash); i >= 0; i = this.#chains.next(i)) {
        const w = i * WORDS;
        if (words[w + TAG_LO] !== lo || words[w + TAG_HI] !== hi || words[w + SHAPE] !== shape) continue;
        if ((selects & Select.SOURCE) !== 0 && words[w + SOURCE] !== (sourceId | 0)) continue;
        if ((selects & Select.PATH) !== 0 && words[w + PATH] !== (path | 0)) continue;
        if (words[w + JOB] !== 0 && words[w + JOB] !== jobId) continue;
        const order = numbers[i * NUMBERS + ORDER]!;
        if (order < bestOrder) {
          best = i;
          bestOrder = order;
        }
        break;
      }
    }
    return this.#restHead < 0 ? best : this.#matchRest(message, best, bestOrder);
  }

  /** The oldest receive with this number of the program's; -1 when there is none. */
  find(idLo: number, idHi: number): number {
    const words = this.#words;
    for (let i = this.#ids.first(mix(this.#seed, idLo, idHi, 0, 0)); i >= 0; i = this.#ids.next(i)) {
      if (words[i * WORDS + ID_LO] === (idLo | 0) && words[i * WORDS + ID_HI] === (idHi | 0)) return i;
    }
    return -1;
  }

  /** Bytes of a receive. */
  length(i: number): number {
    return this.#numbers[i * NUMBERS + LENGTH]!;
  }

  /** How far a receive for many messages is used; undefined for others. */
  multi(i: number): MultiReceive | undefined {
    return this.#multi[i];
  }

  /** Says what a receive was posted with. */
  copy(i: number, into: ReceiveWork): void {
    const words = this.#words;
    const numbers = this.#numbers;
    const w = i * WORDS;
    const n = i * NUMBERS;
    into.wrIdLo = words[w + ID_LO]! >>> 0;
    into.wrIdHi = words[w + ID_HI]! >>> 0;
    into.status = 0;
    const selects = words[w + SELECTS]!;
    into.tagged = words[w + TAGGED] === 1;
    into.tagLo = words[w + TAG_LO]! >>> 0;
    into.tagHi = words[w + TAG_HI]! >>> 0;
    into.ignoreLo = ~words[w + MASK_LO]! >>> 0;
    into.ignoreHi = ~words[w + MASK_HI]! >>> 0;
    into.directed = (selects & Select.SOURCE) !== 0;
    into.sourceId = words[w + SOURCE]! >>> 0;
    into.path = words[w + PATH]! >>> 0;
    into.jobId = words[w + JOB]!;
    into.operation = 0;
    into.claim = into.discard = false;
    into.multi = this.#multi[i] !== undefined;
    into.length = numbers[n + LENGTH]!;
    const { segments } = into;
    segments.clear();
    const count = words[w + SEGMENTS]!;
    for (let s = 0; s < count; s++) {
      segments.add(words[w + REGIONS + s]!, numbers[n + OFFSETS + s]!, numbers[n + LENGTHS + s]!);
    }
  }

  /** Takes a receive out. Messages that arrive in a receive for many still hold its {@link multi}. */
  remove(i: number): void {
    const words = this.#words;
    const w = i * WORDS;
    const shape = words[w + SHAPE]!;
    if (shape === REST) this.#unlinkRest(i);
    else {
      this.#chains.remove(i);
      if (--this.#shapeCount[shape]! === 0) {
        while (this.#shapes > 0 && this.#shapeCount[this.#shapes - 1] === 0) this.#shapes--;
      }
    }
    this.#ids.remove(i);
    const before = words[w + PREV]!;
    const after = words[w + NEXT]!;
    if (before < 0) this.#oldest = after;
    else words[before * WORDS + NEXT] = after;
    if (after < 0) this.#youngest = before;
    else words[after * WORDS + PREV] = before;
    words[w + NEXT] = this.#free;
    this.#free = i;
    this.#multi[i] = undefined;
    this.#size--;
  }

  #hash(shape: number, tagLo: number, tagHi: number, sourceId: number, path: number): number {
    const selects = this.#shapeSelects[shape]!;
    return mix(
      this.#seed + shape,
      tagLo & this.#shapeMaskLo[shape]!,
      tagHi & this.#shapeMaskHi[shape]!,
      (selects & Select.SOURCE) !== 0 ? sourceId : 0,
      (selects & Select.PATH) !== 0 ? path : 0,
    );
  }

  /** The number of a shape; REST when there are too many. */
  #shape(tagged: number, maskLo: number, maskHi: number, selects: number): number {
    let free = this.#shapes;
    for (let shape = 0; shape < this.#shapes; shape++) {
      if (this.#shapeCount[shape] === 0) free = Math.min(free, shape);
      else if (
        this.#shapeMaskLo[shape] === maskLo &&
        this.#shapeMaskHi[shape] === maskHi &&
        this.#shapeSelects[shape] === selects &&
        this.#shapeTagged[shape] === tagged
      ) {
        return shape;
      }
    }
    if (free >= MAX_SHAPES) return REST;
    this.#shapes = Math.max(this.#shapes, free + 1);
    this.#shapeTagged[free] = tagged;
    this.#shapeSelects[free] = selects;
    this.#shapeMaskLo[free] = maskLo;
    this.#shapeMaskHi[free] = maskHi;
    return free;
  }

  #matchRest(message: Envelope, found: number, foundOrder: number): number {
    const words = this.#words;
    const { tagLo, tagHi, sourceId, path, jobId } = message;
    const tagged = message.tagged ? 1 : 0;
    for (let i = this.#restHead; i >= 0; i = words[i * WORDS + REST_NEXT]!) {
      const w = i * WORDS;
      if ((tagLo & words[w + MASK_LO]!) !== words[w + TAG_LO]) continue;
      if ((tagHi & words[w + MASK_HI]!) !== words[w + TAG_HI] || words[w + TAGGED] !== tagged) continue;
      const selects = words[w + SELECTS]!;
      if ((selects & Select.SOURCE) !== 0 && words[w + SOURCE] !== (sourceId | 0)) continue;
      if ((selects & Select.PATH) !== 0 && words[w + PATH] !== (path | 0)) continue;
      if (words[w + JOB] !== 0 && words[w + JOB] !== jobId) continue;
      return this.#numbers[i * NUMBERS + ORDER]! < foundOrder ? i : found;
    }
    return found;
  }

  #linkRest(i: number, isFirst: boolean): void {
    const words = this.#words;
    if (isFirst && this.#restHead >= 0) {
      words[i * WORDS + REST_NEXT] = this.#restHead;
      words[i * WORDS + REST_PREV] = -1;
      words[this.#restHead * WORDS + REST_PREV] = i;
      this.#restHead = i;
      return;
    }
    words[i * WORDS + REST_NEXT] = -1;
    words[i * WORDS + REST_PREV] = this.#restTail;
    if (this.#restTail < 0) this.#restHead = i;
    else words[this.#restTail * WORDS + REST_NEXT] = i;
    this.#restTail = i;
  }

  #unlinkRest(i: number): void {
    const words = this.#words;
    const before = words[i * WORDS + REST_PREV]!;
    const after = words[i * WORDS + REST_NEXT]!;
    if (before < 0) this.#restHead = after;
    else words[before * WORDS + REST_NEXT] = after;
    if (after < 0) this.#restTail = before;
    else words[after * WORDS + REST_PREV] = before;
  }

  #allocate(isFirst: boolean): number {
    let i = this.#free;
    if (i >= 0) this.#free = this.#words[i * WORDS + NEXT]!;
    else {
      if (this.#made === this.#capacity) this.#grow();
      i = this.#made++;
    }
    this.#size++;
    const words = this.#words;
    if (isFirst && this.#oldest >= 0) {
      words[i * WORDS + NEXT] = this.#oldest;
      words[i * WORDS + PREV] = -1;
      words[this.#oldest * WORDS + PREV] = i;
      this.#oldest = i;
      return i;
    }
    words[i * WORDS + NEXT] = -1;
    words[i * WORDS + PREV] = this.#youngest;
    if (this.#youngest < 0) this.#oldest = i;
    else words[this.#youngest * WORDS + NEXT] = i;
    this.#youngest = i;
    return i;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#words = grown(this.#words, this.#capacity * WORDS);
    const numbers = new Float64Array(this.#capacity * NUMBERS);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
    this.#chains.grow(this.#capacity);
    this.#ids.grow(this.#capacity);
  }
}

const START_CAPACITY = 16;
/** Shapes that are hashed. */
const MAX_SHAPES = 32;
const REST = MAX_SHAPES;

// places in an entry's words; those that a search reads come first, and share a line of the cache
const [TAG_LO, TAG_HI, SHAPE, SOURCE, PATH, JOB, MASK_LO, MASK_HI, SELECTS, TAGGED] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const [REST_NEXT, REST_PREV, NEXT, PREV, ID_LO, ID_HI, SEGMENTS, REGIONS, WORDS] = [10, 11, 12, 13, 14, 15, 16, 17, 32];
// and in its numbers
const [ORDER, LENGTH, OFFSETS, LENGTHS, NUMBERS] = [0, 1, 2, 6, 10];
