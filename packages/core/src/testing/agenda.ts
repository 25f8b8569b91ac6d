/**
 * What will happen when: a binary heap on typed arrays. What is due at the same time happens in the order in which it
 * was put in, so a run depends on nothing but its seed.
 */
import { assert } from '../base/assert.ts';
import { type Nanos, NEVER } from '../engine/time.ts';

export class Agenda {
  #due = new Float64Array(FIRST_CAPACITY);
  #order = new Float64Array(FIRST_CAPACITY);
  #item = new Int32Array(FIRST_CAPACITY);
  #size = 0;
  #orders = 0;
  readonly #limit: number;

  /** @param limit - most items at a time */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  earliest(): Nanos {
    return this.#size === 0 ? NEVER : this.#due[0]!;
  }

  /** @param item - any 32-bit number; the same may stand here more than once */
  add(due: Nanos, item: number): void {
    assert(this.#size < this.#limit, 'the agenda is full');
    if (this.#size === this.#due.length) this.#grow();
    let place = this.#size++;
    this.#put(place, due, this.#orders++, item);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#before(place, parent)) break;
      this.#swap(place, parent);
      place = parent;
    }
  }

  /** Takes the earliest item. */
  take(): number {
    assert(this.#size > 0, 'the agenda is empty');
    const item = this.#item[0]!;
    const last = --this.#size;
    this.#put(0, this.#due[last]!, this.#order[last]!, this.#item[last]!);
    for (let place = 0; ; ) {
      let child = 2 * place + 1;
      if (child >= last) return item;
      if (child + 1 < last && this.#before(child + 1, child)) child++;
      if (!this.#before(child, place)) return item;
      this.#swap(child, place);
      place = child;
    }
  }

  #grow(): void {
    const [due, order, item] = [this.#due, this.#order, this.#item];
    this.#due = new Float64Array(2 * due.length);
    this.#order = new Float64Array(2 * due.length);
    this.#item = new Int32Array(2 * due.length);
    this.#due.set(due);
    this.#order.set(order);
    this.#item.set(item);
  }

  #before(a: number, b: number): boolean {
    const due = this.#due[a]! - this.#due[b]!;
    return due < 0 || (due === 0 && this.#order[a]! < this.#order[b]!);
  }

  #put(place: number, due: number, order: number, item: number): void {
    this.#due[place] = due;
    this.#order[place] = order;
    this.#item[place] = item;
  }

  #swap(a: number, b: number): void {
    const [due, order, item] = [this.#due[a]!, this.#order[a]!, this.#item[a]!];
    this.#put(a, this.#due[b]!, this.#order[b]!, this.#item[b]!);
    this.#put(b, due, order, item);
  }
}

const FIRST_CAPACITY = 64;
