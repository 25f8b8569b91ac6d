/**
 * Objects of one kind by handle.
 *
 *   handle = generation (11 bits) | kind (4 bits) | slot (16 bits)
 *
 * A handle that outlives its object, or names another kind, finds nothing. Slots are reused oldest first, so it takes
 * long until a handle means something else. Handles are positive and never 0.
 */
export class ObjectTable<T extends { readonly handle: number }> {
  readonly #kind: number;
  readonly #limit: number;
  readonly #first: number;
  readonly #objects: (T | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];
  #firstFree = 0;
  #size = 0;

  /**
   * @param kind - 1 to 15
   * @param limit - at most 65,536
   * @param first - generation before the first one: tables that differ in it hardly share handles
   */
  constructor(kind: number, limit: number, first = 0) {
    this.#kind = kind;
    this.#first = first & GENERATIONS;
    this.#limit = Math.min(limit, MAX_SLOTS);
  }

  get size(): number {
    return this.#size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** @returns undefined when the table is full */
  add<S extends T>(make: (handle: number) => S): S | undefined {
    if (this.#size >= this.#limit) return undefined;
    const slot = this.#size < this.#objects.length ? this.#free[this.#firstFree]! : this.#objects.length;
    const generation = ((this.#generations[slot] ?? this.#first) + 1) & GENERATIONS;
    const object = make((generation << 20) | (this.#kind << 16) | slot);
    if (slot < this.#objects.length) this.#dropFirstFree();
    this.#generations[slot] = generation;
    this.#objects[slot] = object;
    this.#size++;
    return object;
  }

  /** The object of a handle; undefined for anything else, whatever its bits. */
  get(handle: number): T | undefined {
    const object = this.#objects[handle & SLOT_MASK];
    return object !== undefined && object.handle === handle ? object : undefined;
  }

  remove(handle: number): void {
    if (this.get(handle) === undefined) return;
    this.#objects[handle & SLOT_MASK] = undefined;
    this.#free.push(handle & SLOT_MASK);
    this.#size--;
  }

  *values(): IterableIterator<T> {
    for (const object of this.#objects) if (object !== undefined) yield object;
  }

  #dropFirstFree(): void {
    this.#firstFree++;
    if (this.#firstFree < 1024 && this.#firstFree < this.#free.length) return;
    this.#free.splice(0, this.#firstFree);
    this.#firstFree = 0;
  }
}

const SLOT_MASK = 0xffff;
const MAX_SLOTS = 0x1_0000;
const GENERATIONS = 0x7ff;
