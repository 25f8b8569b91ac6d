/** How much each of many has of something bounded. Who has nothing costs nothing. */
export class Shares {
  readonly #of = new Map<number, Share>();
  readonly #pool: Share[] = [];

  messages(id: number): number {
    return this.#of.get(id)?.messages ?? 0;
  }

  chunks(id: number): number {
    return this.#of.get(id)?.chunks ?? 0;
  }

  add(id: number, messages: number, chunks: number): void {
    let share = this.#of.get(id);
    if (share === undefined) {
      share = this.#pool.pop() ?? { messages: 0, chunks: 0 };
      this.#of.set(id, share);
    }
    share.messages += messages;
    share.chunks += chunks;
    if (share.messages > 0) return;
    this.#of.delete(id);
    if (this.#pool.length < MAX_POOL) this.#pool.push(share);
  }
}

interface Share {
  messages: number;
  chunks: number;
}

const MAX_POOL = 64;
