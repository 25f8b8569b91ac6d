/** Who a message is from: (path, identity) to a number, without allocating. Open addressing, linear probing. */
export class SourceIndex {
  #paths = new Uint32Array(FIRST_SIZE);
  #ids = new Uint32Array(FIRST_SIZE);
  /** Number and one; 0 free, -1 removed. */
  #numbers = new Int32Array(FIRST_SIZE);
  #used = 0;

  /** Of several numbers for the same pair any may be found. */
  add(path: number, id: number, number: number): void {
    if (2 * (this.#used + 1) > this.#numbers.length) this.#grow();
    let at = this.#start(path, id);
    while (this.#numbers[at]! !== 0) at = this.#next(at);
    this.#paths[at] = path;
    this.#ids[at] = id;
    this.#numbers[at] = number + 1;
    this.#used++;
  }

  /** @returns -1 when nobody is there */
  find(path: number, id: number): number {
    const [wantedPath, wantedId] = [path >>> 0, id >>> 0];
    for (let at = this.#start(path, id); this.#numbers[at]! !== 0; at = this.#next(at)) {
      if (this.#numbers[at]! > 0 && this.#paths[at] === wantedPath && this.#ids[at] === wantedId) {
        return this.#numbers[at]! - 1;
      }
    }
    return -1;
  }

  remove(path: number, id: number, number: number): void {
    const [wantedPath, wantedId] = [path >>> 0, id >>> 0];
    for (let at = this.#start(path, id); this.#numbers[at]! !== 0; at = this.#next(at)) {
      if (this.#numbers[at] === number + 1 && this.#paths[at] === wantedPath && this.#ids[at] === wantedId) {
        this.#numbers[at] = -1;
        return;
      }
    }
  }

  #start(path: number, id: number): number {
    const mixed = Math.imul(Math.imul(path, 0x9e37_79b1) ^ id, 0x85eb_ca6b);
    return ((mixed >>> 15) ^ mixed) & (this.#numbers.length - 1);
  }

  #next(at: number): number {
    return (at + 1) & (this.#numbers.length - 1);
  }

  #grow(): void {
    const [paths, ids, numbers] = [this.#paths, this.#ids, this.#numbers];
    const live = numbers.reduce((sum, one) => sum + (one > 0 ? 1 : 0), 0);
    const size = 2 * (live + 1) > numbers.length / 2 ? 2 * numbers.length : numbers.length;
    this.#paths = new Uint32Array(size);
    this.#ids = new Uint32Array(size);
    this.#numbers = new Int32Array(size);
    this.#used = 0;
    for (let i = 0; i < numbers.length; i++) if (numbers[i]! > 0) this.add(paths[i]!, ids[i]!, numbers[i]! - 1);
  }
}

const FIRST_SIZE = 64;
