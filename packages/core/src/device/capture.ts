/**
 * Frames on their way from a device to one reader: a ring of bytes that is full at some time. A frame that finds no
 * room is lost and counted; nothing waits for the reader.
 */

/** Where frames go that a driver captures. It never throws. */
export interface CaptureSink {
  /** Whether a record of up to so many bytes has room. When it has not, the frame is lost and counted. */
  room(bytes: number): boolean;
  /** A record of the file, whole. The bytes are the caller's again when this returns. */
  write(record: Uint8Array): void;
}

export class Capture implements CaptureSink {
  /** What is woken when there is something to read again. */
  readonly wake: number;
  readonly #wakeReader: (wake: number) => void;
  readonly #ring: Uint8Array;
  #stop: (() => void) | undefined;
  /** Bytes written and read since the start. */
  #written = 0;
  #read = 0;
  #frames = 0;
  #lost = 0;

  constructor(wake: number, wakeReader: (wake: number) => void, bytes = CAPTURE_BYTES) {
    this.wake = wake;
    this.#wakeReader = wakeReader;
    this.#ring = new Uint8Array(bytes);
  }

  /** @param begin - writes the header, starts what writes frames, and returns what stops it */
  start(begin: (sink: CaptureSink) => () => void): void {
    this.#stop = begin(this);
    this.#frames = 0;
  }

  /** Nothing is added any more. */
  get ended(): boolean {
    return this.#stop === undefined;
  }

  /** Nothing is added any more, and nothing is left to read. */
  get done(): boolean {
    return this.ended && this.#written === this.#read;
  }

  get frames(): number {
    return this.#frames;
  }

  get lost(): number {
    return this.#lost;
  }

  room(bytes: number): boolean {
    if (bytes <= this.#ring.length - (this.#written - this.#read)) return true;
    this.#lost++;
    return false;
  }

  write(record: Uint8Array): void {
    const wasEmpty = this.#written === this.#read;
    const ring = this.#ring;
    const at = this.#written % ring.length;
    const first = Math.min(record.length, ring.length - at);
    ring.set(record.subarray(0, first), at);
    ring.set(record.subarray(first), 0);
    this.#written += record.length;
    this.#frames++;
    // before it is started, nobody knows the number
    if (wasEmpty && !this.ended) this.#wakeReader(this.wake);
  }

  /** Takes the oldest bytes, at most so many. */
  take(most: number): Uint8Array {
    const ring = this.#ring;
    const at = this.#read % ring.length;
    const bytes = new Uint8Array(Math.min(most, this.#written - this.#read));
    const first = Math.min(bytes.length, ring.length - at);
    bytes.set(ring.subarray(at, at + first));
    bytes.set(ring.subarray(0, bytes.length - first), first);
    this.#read += bytes.length;
    return bytes;
  }

  /** What was taken last did not reach the reader. */
  putBack(bytes: Uint8Array): void {
    this.#read -= bytes.length;
  }

  /** Ends capturing; what waits can still be taken. */
  end(): void {
    const stop = this.#stop;
    if (stop === undefined) return;
    this.#stop = undefined;
    stop();
    this.#wakeReader(this.wake);
  }
}

/** What waits for one reader at most. */
const CAPTURE_BYTES = 16 * 2 ** 20;
