/** A fixed set of named counters in one typed array: counting is one addition, reading is by name. */
export class Counters {
  readonly names: readonly string[];
  readonly values: Float64Array;
  readonly #index: ReadonlyMap<string, number>;

  constructor(names: readonly string[]) {
    this.names = names;
    this.values = new Float64Array(names.length);
    this.#index = new Map(names.map((name, i) => [name, i]));
    if (this.#index.size !== names.length) throw new Error('two counters share a name');
  }

  /** Adds to the counter at `index`, the position of its name. */
  add(index: number, amount = 1): void {
    this.values[index] = this.values[index]! + amount;
  }

  /** The value of a counter by name; undefined where there is none of that name. */
  get(name: string): number | undefined {
    const index = this.#index.get(name);
    return index === undefined ? undefined : this.values[index];
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries(this.names.map((name, i) => [name, this.values[i]!]));
  }
}
