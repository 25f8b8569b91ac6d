import type { Controller } from './controller.ts';

/**
 * Congestion control by one window, counted in packets: doubles each round trip until the first loss, grows by one
 * packet each round trip afterwards, falls by a third once per round trip with losses and by an eighth with marks. It owns no timers and sees no
 * packets. The floor keeps a link that loses at random, not from congestion, busy.
 */
export class Window implements Controller {
  readonly #most: number;
  #packets = 0;
  #threshold = 0;
  #credit = 0;

  /** @param most - packets; the window never grows beyond */
  constructor(most: number) {
    this.#most = most;
    this.reset();
  }

  reset(): void {
    this.#packets = Math.min(INITIAL_PACKETS, this.#most);
    this.#threshold = this.#most;
    this.#credit = 0;
  }

  /** Packets that may be in flight. */
  get packets(): number {
    return this.#packets;
  }

  /** `count` packets were newly acknowledged. */
  onAck(count: number): void {
    if (this.#packets >= this.#most) return;
    if (this.#packets < this.#threshold) {
      this.#packets = Math.min(this.#packets + count, this.#most);
      return;
    }
    this.#credit += count;
    if (this.#credit < this.#packets) return;
    this.#credit -= this.#packets;
    this.#packets++;
  }

  /** A round trip saw marks; the caller reports each round trip once. */
  onMark(): void {
    this.#packets = Math.max(Math.floor((this.#packets * 7) / 8), Math.min(MARKED_FLOOR_PACKETS, this.#most));
    this.#threshold = Math.min(this.#threshold, this.#packets);
    this.#credit = 0;
  }

  /** A round trip saw losses; the caller reports each round trip once. */
  onLoss(): void {
    this.#packets = Math.max(Math.floor((this.#packets * 2) / 3), Math.min(FLOOR_PACKETS, this.#most));
    this.#threshold = this.#packets;
    this.#credit = 0;
  }

  /** Nothing came back for a whole time-out. */
  onTimeout(): void {
    this.#threshold = Math.max(this.#packets >> 1, Math.min(FLOOR_PACKETS, this.#most));
    this.#packets = Math.min(FLOOR_PACKETS, this.#most);
    this.#credit = 0;
  }
}

const INITIAL_PACKETS = 64;
const FLOOR_PACKETS = 32;
/** Marks, unlike losses, never come from a bad link: a queue may need fewer packets than that. */
const MARKED_FLOOR_PACKETS = 2;
