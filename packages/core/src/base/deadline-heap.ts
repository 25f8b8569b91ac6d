/**
 * Deadlines of many small objects, earliest first: an indexed binary heap on typed arrays.
 * Each id (0 to capacity-1) has at most one deadline. Nothing is allocated after construction.
 */
export class DeadlineHeap {
  readonly #due: Float64Array;
  readonly #heap: Int32Array;
  readonly #place: Int32Array;
  #size = 0;

  constructor(capacity: number) {
    this.#due = new Float64Array(capacity).fill(Number.POSITIVE_INFINITY);
    this.#heap = new Int32Array(capacity);
    this.#place = new Int32Array(capacity).fill(-1);
  }

  get size(): number {
    return this.#size;
  }

  /** The earliest deadline, or infinity. */
  earliest(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#due[this.#heap[0]!]!;
  }

  /** The id with the earliest deadline; -1 when there is none. */
  first(): number {
    return this.#size === 0 ? -1 : this.#heap[0]!;
  }

  due(id: number): number {
    return this.#due[id]!;
  }

  /** Sets, moves or (with infinity) clears a deadline. */
  set(id: number, due: number): void {
    const old = this.#due[id]!;
    if (due === old) return;
    this.#due[id] = due;
    const place = this.#place[id]!;
    if (due === Number.POSITIVE_INFINITY) {
      if (place >= 0) this.#remove(place);
    } else if (place < 0) {
      this.#heap[this.#size] = id;
      this.#place[id] = this.#size;
      this.#up(this.#size++);
    } else if (due < old) this.#up(place);
    else this.#down(place);
  }

  #remove(place: number): void {
    this.#place[this.#heap[place]!] = -1;
    const last = --this.#size;
    if (place === last) return;
    const moved = this.#heap[last]!;
    this.#heap[place] = moved;
    this.#place[moved] = place;
    this.#up(place);
    this.#down(this.#place[moved]!);
  }

  #up(place: number): void {
    const heap = this.#heap;
    const id = heap[place]!;
    const due = this.#due[id]!;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent]!;
      if (this.#due[above]! <= due) break;
      heap[place] = above;
      this.#place[above] = place;
      place = parent;
    }
    heap[place] = id;
    this.#place[id] = place;
  }

  #down(place: number): void {
    const heap = this.#heap;
    const id = heap[place]!;
    const due = this.#due[id]!;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#due[heap[child + 1]!]! < this.#due[heap[child]!]!) child++;
      const below = heap[child]!;
      if (this.#due[below]! >= due) break;
      heap[place] = below;
      this.#place[below] = place;
      place = child;
    }
    heap[place] = id;
    this.#place[id] = place;
  }
}
