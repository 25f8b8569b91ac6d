/** Send requests under way, and the pool that they come from: made when first needed, used again ever after. */
import type { DmaSpace } from '../../engine/dma.ts';
import { MAX_INLINE, SendWork } from '../../engine/work.ts';

/** What a request is on the wire. */
export const Kind = { SEND: 0, WRITE: 1, READ: 2, ATOMIC: 3 } as const;

/**
 * One send request with its place in the stream of packets. Serials are PSNs that do not wrap: the PSN on the wire is the
 * lower 24 bits of the serial.
 */
export class Request extends SendWork {
  kind = 0;
  /** Serial of its first packet, and the one behind its last. A READ takes those of its responses. */
  first = 0;
  end = 0;
  packets = 0;
  /** Payload bytes of a full packet; fixed when the request is taken. */
  mtu = 0;
  /** READ: packets that one request on the wire asks for at most, counted from the beginning. */
  chunk = 0;
  /** It has left once: a fence is behind it. */
  hasBegun = false;
  /** The next one in the order of posting; in the pool, the next free one. */
  next: Request | undefined = undefined;
}

export class RequestPool {
  readonly #dma: DmaSpace;
  readonly #most: number;
  readonly #regions: number[] = [];
  #free: Request | undefined = undefined;
  #made = 0;
  /** Requests in use. */
  size = 0;

  /** @param most - requests at a time */
  constructor(dma: DmaSpace, most: number) {
    this.#dma = dma;
    this.#most = most;
    this.#grow(); // what a device holds of its host does not change when the first program comes
  }

  get isFull(): boolean {
    return this.#free === undefined && this.#made >= this.#most;
  }

  /** A request to take work into; undefined while too many are in use. */
  take(): Request | undefined {
    if (this.#free === undefined && !this.#grow()) return undefined;
    const request = this.#free!;
    this.#free = request.next;
    request.next = undefined;
    request.hasBegun = false;
    this.size++;
    return request;
  }

  give(request: Request): void {
    request.next = this.#free;
    this.#free = request;
    this.size--;
  }

  /** Nothing is sent any more. */
  end(): void {
    for (const region of this.#regions.splice(0)) this.#dma.detach(region);
    this.#free = undefined;
    this.#made = this.#most;
  }

  #grow(): boolean {
    if (this.#made >= this.#most) return false;
    const region = this.#dma.attach({ bytes: new Uint8Array(CHUNK * MAX_INLINE), address: 0 });
    if (region === 0) return false;
    this.#regions.push(region);
    for (let i = CHUNK - 1; i >= 0; i--) {
      const request = new Request();
      request.inlineRegion = region;
      request.inlineOffset = i * MAX_INLINE;
      request.next = this.#free;
      this.#free = request;
    }
    this.#made += CHUNK;
    return true;
  }
}

/** Requests that are made at a time. */
const CHUNK = 64;
