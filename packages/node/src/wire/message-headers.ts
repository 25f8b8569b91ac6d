/**
 * Headers for `sendmsg` and `sendmmsg`, one for each burst of a system call: where it goes, what is gathered, and what
 * is said of it beside (segment size, traffic class). Written once, patched per burst.
 */
import type { Pointer } from '../memory/libc.ts';
import type { MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';
import { MAX_PACKETS } from './live-wire.ts';
import { SEGMENT_CONTROL_BYTES, type SendQueue, writeSendControl } from './send-queue.ts';
import { IPV4_ADDRESS_BYTES, IPV6_ADDRESS_BYTES } from './udp-socket.ts';

export class MessageHeaders {
  /** The first header; the others follow it. */
  readonly first: Pointer;
  readonly #queue: SendQueue;
  readonly #headers: MappedMemory;
  readonly #controls: MappedMemory;
  readonly #words: Uint32Array;
  readonly #view: DataView;

  constructor(pool: MemoryPool, queue: SendQueue, v4: boolean) {
    this.#queue = queue;
    this.#headers = pool.allocate(MAX_PACKETS * HEADER_BYTES);
    this.#controls = pool.allocate(MAX_PACKETS * CONTROL_BYTES);
    this.first = [this.#headers.address, null];
    this.#words = new Uint32Array(this.#headers.bytes.buffer);
    this.#view = new DataView(this.#controls.bytes.buffer);
    for (let i = 0; i < MAX_PACKETS; i++) {
      this.#words[i * HEADER_WORDS + 2] = v4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
      writeSendControl(this.#view, i * CONTROL_BYTES, v4);
    }
  }

  /** @param name - address of the socket address of the peer */
  fill(index: number, burst: number, name: number): void {
    const queue = this.#queue;
    const segments = queue.segments[burst]!;
    const trafficClass = queue.trafficClass[burst]!;
    this.#gather(index, name, queue.iovAddress(burst), queue.iovCount(burst));
    const control = index * CONTROL_BYTES;
    const first = segments > 1 ? 0 : SEGMENT_CONTROL_BYTES;
    const bytes = (trafficClass === 0 ? 1 : 2) * SEGMENT_CONTROL_BYTES - first;
    this.#beside(index, bytes === 0 ? 0 : this.#controls.address + control + first, bytes);
    if (segments > 1) this.#view.setUint16(control + CONTROL_HEADER, queue.segment[burst]!, true);
    if (trafficClass !== 0) this.#view.setInt32(control + SEGMENT_CONTROL_BYTES + CONTROL_HEADER, trafficClass, true);
  }

  /** The first header, for one packet of a burst that was cut up. @param iov - address of the one entry that names it */
  fillSingle(burst: number, name: number, iov: number): void {
    const trafficClass = this.#queue.trafficClass[burst]!;
    this.#gather(0, name, iov, 1);
    if (trafficClass === 0) return this.#beside(0, 0, 0);
    this.#beside(0, this.#controls.address + SEGMENT_CONTROL_BYTES, SEGMENT_CONTROL_BYTES);
    this.#view.setInt32(SEGMENT_CONTROL_BYTES + CONTROL_HEADER, trafficClass, true);
  }

  release(): void {
    this.#headers.release();
    this.#controls.release();
  }

  #gather(index: number, name: number, iov: number, count: number): void {
    const words = this.#words;
    const at = index * HEADER_WORDS;
    words[at] = name % WORD;
    words[at + 1] = (name / WORD) | 0;
    words[at + 4] = iov % WORD;
    words[at + 5] = (iov / WORD) | 0;
    words[at + 6] = count;
  }

  #beside(index: number, control: number, bytes: number): void {
    const words = this.#words;
    const at = index * HEADER_WORDS;
    words[at + 8] = control % WORD;
    words[at + 9] = (control / WORD) | 0;
    words[at + 10] = bytes;
  }
}

const WORD = 2 ** 32;
/** struct mmsghdr: msghdr of 56 bytes, then the length that was sent. */
const HEADER_BYTES = 64;
const HEADER_WORDS = HEADER_BYTES / 4;
const CONTROL_BYTES = 64;
/** struct cmsghdr: length (8 bytes), level, type. */
const CONTROL_HEADER = 16;
