/** Seeded random numbers (xorshift128, 32-bit words): same seed, same sequence, on every host. Not for secrets. */
export class SeededRandom {
  readonly #s = new Int32Array(4);

  constructor(seed: number) {
    // splitmix32 spreads small seeds over the state
    let x = seed | 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) | 0;
      let z = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#s[i] = z ^ (z >>> 15);
    }
    if (this.#s.every((word) => word === 0)) this.#s[0] = 1;
  }

  /** 32 random bits, unsigned. */
  uint32(): number {
    const s = this.#s;
    let t = s[3]!;
    const first = s[0]!;
    s[3] = s[2]!;
    s[2] = s[1]!;
    s[1] = first;
    t ^= t << 11;
    t ^= t >>> 8;
    s[0] = t ^ first ^ (first >>> 19);
    return s[0]! >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }
}
