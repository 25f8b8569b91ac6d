/**
 * Rendezvous sends: the request carries the first bytes alone and says where the rest can be read. The memory is open to
 * its target under a key of its own until all of it was read, and to nobody else.
 *
 * How a sender learns that reading is done is not specified: here it counts what it served and what was acknowledged of
 * that, so it only works between endpoints that agree on it. Off unless `rendezvousAbove` says otherwise.
 *
 * @spec uet:ses/3.6 uet:ses/9
 */
import { Status } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import type { Reach } from '../../../engine/work.ts';
import { byteLength } from '../../../wire/header.ts';
import { RendezvousExtension, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import type { Message } from './message.ts';
import type { RequestFields } from './request-fields.ts';

const { eagerLength, riGeneration, pidOnFep, resourceIndex, readOffset, readMemoryKey } = RendezvousExtension;

export class RendezvousSends {
  readonly #core: Core;
  readonly #finish: (message: Message) => void;
  /** Messages whose memory is open, by the number of the exposure. */
  readonly #open = new Map<number, Message>();
  /** Those of them that are sent and wait to be read. */
  readonly #waiting = new Set<Message>();
  #due: Nanos = NEVER;
  #serial = 0;

  constructor(core: Core, finish: (message: Message) => void) {
    this.#core = core;
    this.#finish = finish;
  }

  /** Messages whose memory is open to their targets. */
  get size(): number {
    return this.#open.size;
  }

  get deadline(): Nanos {
    return this.#due;
  }

  /** Makes a long send one that is read. A packet of read data comes from one stretch of memory. */
  prepare(qp: LocalQueuePair, message: Message): void {
    message.exposure = 0;
    const { work, sesOpcode } = message;
    const { rendezvousAbove } = this.#core.settings;
    if (rendezvousAbove === 0 || work.length <= rendezvousAbove || work.segments.count !== 1) return;
    if (sesOpcode === SesOpcode.SEND) message.sesOpcode = SesOpcode.RENDEZVOUS_SEND;
    else if (sesOpcode === SesOpcode.TAGGED_SEND) message.sesOpcode = SesOpcode.RENDEZVOUS_TSEND;
    else return;
    const { random } = this.#core.services;
    this.#serial = this.#serial >= MAX_SERIAL ? 1 : this.#serial + 1;
    message.exposure = this.#serial;
    message.openHi = PROVIDER_KEY | Math.floor(random() * 0x1_0000);
    message.openLo = Math.floor(random() * 2 ** 32);
    message.ownQpn = qp.config.qpn;
    // what fits one packet beside the longer header
    message.bytes = Math.min(work.length, Math.max(0, this.#core.config.payloadMtu - EXTENSION_BYTES));
    message.packets = 1;
    this.#open.set(message.exposure, message);
    this.restart(message);
  }

  /** Nothing of it has been read. */
  restart(message: Message): void {
    message.kept = message.bytes;
    message.served = 0;
  }

  /** Writes the extension at `at`. @returns bytes of it */
  write(view: DataView, at: number, message: Message): number {
    eagerLength.set(view, at, message.bytes);
    riGeneration.set(view, at, 0);
    pidOnFep.set(view, at, message.ownQpn & 0xfff);
    resourceIndex.set(view, at, (message.ownQpn >>> 12) & 0xfff);
    readOffset.hi.set(view, at, 0);
    readOffset.lo.set(view, at, 0);
    readMemoryKey.hi.set(view, at, message.openHi);
    readMemoryKey.lo.set(view, at, message.openLo);
    return EXTENSION_BYTES;
  }

  /** A READ may be of memory that is open for a message. */
  mayBe(request: RequestFields): boolean {
    return this.#open.size > 0 && (request.keyHi & PROVIDER_MASK) === PROVIDER_KEY;
  }

  /**
   * Looks up what a READ asks for, and fills in where it is.
   * @returns the number of the exposure; 0 when nothing is open to that peer under that key, or not so much
   */
  reach(path: number, request: RequestFields, reach: Reach): number {
    for (const [exposure, message] of this.#open) {
      if (message.openLo !== request.keyLo || message.openHi !== request.keyHi) continue;
      const { work } = message;
      if (message.qp === 0 || work.path !== path || work.jobId !== request.jobId) return 0;
      const { segments } = work;
      const from = request.offsetHi * 2 ** 32 + request.offsetLo;
      if (from > work.length || request.length > work.length - from) return 0;
      reach.region = segments.region[0]!;
      reach.regionOffset = segments.offset[0]! + from;
      return exposure;
    }
    return 0;
  }

  /** Data of an exposure has arrived at the reader. */
  served(exposure: number, length: number): void {
    const message = this.#open.get(exposure);
    if (message === undefined) return;
    message.served += length;
    message.retryAt = this.#core.now + this.#core.settings.rendezvousTimeout;
    if (this.isServed(message) && this.#waiting.has(message)) this.#finish(message);
  }

  isServed(message: Message): boolean {
    return message.served >= message.work.length - message.kept;
  }

  /** The request is answered; the rest is still to be read. */
  wait(now: Nanos, message: Message): void {
    message.retryAt = now + this.#core.settings.rendezvousTimeout;
    this.#waiting.add(message);
    if (message.retryAt < this.#due) this.#due = message.retryAt;
  }

  /** The message is done: its memory is closed. */
  release(message: Message): void {
    if (message.exposure === 0) return;
    this.#open.delete(message.exposure);
    this.#waiting.delete(message);
    message.exposure = 0;
    if (this.#waiting.size === 0) this.#due = NEVER;
  }

  /** Fails what nobody has read for long. */
  expire(now: Nanos): void {
    if (now < this.#due) return;
    this.#due = NEVER;
    for (const message of this.#waiting) {
      if (message.retryAt > now) {
        if (message.retryAt < this.#due) this.#due = message.retryAt;
        continue;
      }
      message.status = Status.RESP_TIMEOUT_ERR;
      this.#finish(message);
    }
  }

  /** The queue pair goes away: what waits to be read is flushed. */
  removeQueuePair(qp: number): void {
    for (const message of this.#waiting) {
      if (message.qp !== qp) continue;
      message.status = Status.WR_FLUSH_ERR;
      this.#finish(message);
    }
  }
}

const EXTENSION_BYTES = byteLength(RendezvousExtension);
const MAX_SERIAL = 0x7fff_ffff;
/** Bit 48 of a key: it is no program's. @spec uet:ses/5.1 */
const PROVIDER_KEY = 0x1_0000;
const PROVIDER_MASK = 0xffff_0000 | 0;
