/**
 * Numbers that nobody can guess from those that came before: the key stream of ChaCha20. Who could guess the numbers of
 * a connection could end it with a forged message.
 * @spec RFC 8439 §2.3
 */
export class IdSource {
  readonly #input = new Uint32Array(16);
  readonly #block = new Uint32Array(16);
  #used = 16;

  /** @param key - eight secret words */
  constructor(key: Uint32Array) {
    this.#input.set(CONSTANTS);
    this.#input.set(key.subarray(0, 8), 4);
  }

  /** 32 bits, unsigned. */
  uint32(): number {
    if (this.#used === 16) this.#refill();
    return this.#block[this.#used++]!;
  }

  #refill(): void {
    const block = this.#block;
    block.set(this.#input);
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 4; i++) quarter(block, i, i + 4, i + 8, i + 12);
      for (let i = 0; i < 4; i++) quarter(block, i, ((i + 1) & 3) + 4, ((i + 2) & 3) + 8, ((i + 3) & 3) + 12);
    }
    for (let i = 0; i < 16; i++) block[i] = block[i]! + this.#input[i]!;
    this.#input[12] = this.#input[12]! + 1;
    this.#used = 0;
  }
}

function quarter(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  step(x, a, b, d, 16);
  step(x, c, d, b, 12);
  step(x, a, b, d, 8);
  step(x, c, d, b, 7);
}

function step(x: Uint32Array, sum: number, add: number, mix: number, turn: number): void {
  x[sum] = x[sum]! + x[add]!;
  const mixed = x[mix]! ^ x[sum]!;
  x[mix] = (mixed << turn) | (mixed >>> (32 - turn));
}

const CONSTANTS = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
