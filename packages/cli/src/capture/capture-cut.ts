/**
 * Cuts what a daemon sends of a capture where a file may end: between two blocks, after so many frames, before so many
 * bytes. @spec IETF opsawg-pcapng §3.1
 */
import { refusal } from '../failure.ts';

export class CaptureCut {
  readonly #maxFrames: number;
  readonly #maxBytes: number;
  /** The begin of a block whose end has not come yet. */
  #rest = new Uint8Array(0);
  frames = 0;
  bytes = 0;
  /** The frames or bytes that were wanted are there; nothing more will be taken. */
  full = false;

  constructor(maxFrames: number, maxBytes: number) {
    this.#maxFrames = maxFrames;
    this.#maxBytes = maxBytes;
  }

  /** @returns the blocks that are whole now and belong into the file @throws VerbsError EIO it is no capture */
  take(part: Uint8Array): Uint8Array {
    const all = new Uint8Array(this.#rest.length + part.length);
    all.set(this.#rest);
    all.set(part, this.#rest.length);
    const view = new DataView(all.buffer);
    let at = 0;
    while (!this.full && at + BLOCK_HEADER <= all.length) {
      const length = view.getUint32(at + 4, true);
      if (length < BLOCK_MIN || length > BLOCK_MAX) throw refusal('EIO', 'capture', `a block of ${length} bytes came`);
      if (at + length > all.length) break;
      if (this.bytes + length > this.#maxBytes) {
        this.full = true;
        break;
      }
      if (view.getUint32(at, true) === ENHANCED_PACKET) this.frames++;
      this.bytes += length;
      at += length;
      this.full = this.frames >= this.#maxFrames;
    }
    this.#rest = all.slice(at);
    return all.subarray(0, at);
  }
}

const ENHANCED_PACKET = 6;
const BLOCK_HEADER = 8;
const BLOCK_MIN = 12;
const BLOCK_MAX = 2 ** 20;
