/** The kernel's side of a completion ring: writes entries, publishes them in batches, notices overrun. */
import { CompletionEntry, CompletionFlag } from '../abi/entries.ts';
import { Ring, RingError } from '../abi/ring.ts';
import { Status } from '../engine/status.ts';
import type { CompletionRecord } from '../engine/work.ts';

const { idLo, idHi, status, opcode, flags, byteLength, immLo, immHi } = CompletionEntry.fields;
const { qpn, remoteQpn, sourceId, jobId, path, vendorStatus, tagLo, tagHi, extra } = CompletionEntry.fields;

export class CompletionRing {
  ring: Ring;
  #produced = 0;
  #published = 0;
  /** Among the entries since the program was last to be woken is a failure, or one that the peer wants to wake it. */
  #urgent = false;
  /** The program's index as last seen; it is only looked at again when the ring seems full. */
  #consumed = 0;

  constructor(bytes: Uint8Array, size: number) {
    this.ring = new Ring(bytes, size, CompletionEntry.bytes);
  }

  /** @returns false when there is no room: the entry is lost, and it is the program's fault */
  add(localQpn: number, from: CompletionRecord): boolean {
    if (((this.#produced - this.#consumed) | 0) >= this.ring.size && !this.#roomAfterLook()) return false;
    const { view } = this.ring;
    const at = this.ring.at(this.#produced);
    idLo.set(view, at, from.wrIdLo);
    idHi.set(view, at, from.wrIdHi);
    status.set(view, at, from.status);
    opcode.set(view, at, from.opcode);
    if (from.solicited || from.status !== Status.SUCCESS) this.#urgent = true;
    let flag: number = from.hasImm ? CompletionFlag.HAS_IMM : 0;
    if (from.hasInvalidated) flag |= CompletionFlag.INVALIDATED;
    if (from.hasGrh) flag |= CompletionFlag.GRH;
    if (from.solicited) flag |= CompletionFlag.SOLICITED;
    if (from.isReleased) flag |= CompletionFlag.RELEASED;
    flags.set(view, at, flag);
    byteLength.set(view, at, from.byteLength);
    immLo.set(view, at, from.immLo);
    immHi.set(view, at, from.immHi);
    qpn.set(view, at, localQpn);
    remoteQpn.set(view, at, from.remoteQpn);
    sourceId.set(view, at, from.sourceId);
    jobId.set(view, at, from.jobId);
    path.set(view, at, from.path);
    vendorStatus.set(view, at, from.vendorStatus);
    tagLo.set(view, at, from.tagLo);
    tagHi.set(view, at, from.tagHi);
    extra.set(view, at, from.extra);
    this.#produced = (this.#produced + 1) | 0;
    return true;
  }

  /** Shows the new entries to the program. @returns whether it waits to be woken */
  publish(): boolean {
    return this.show() > 0 && this.disarm();
  }

  /** Shows the new entries without waking anybody. @returns how many there are */
  show(): number {
    const fresh = (this.#produced - this.#published) | 0;
    if (fresh === 0) return 0;
    this.#published = this.#produced;
    this.ring.publish(this.#produced);
    return fresh;
  }

  /** @returns whether the program waits to be woken; it is not waiting any more then */
  disarm(): boolean {
    const urgent = this.#urgent;
    this.#urgent = false;
    return this.ring.disarm(urgent);
  }

  /** Entries that the program has not taken, if it has taken those before `consumed`; -1 where that cannot be. */
  left(consumed: number): number {
    const count = (this.#produced - consumed) | 0;
    return count >= 0 && count <= this.ring.size ? count : -1;
  }

  /**
   * Goes on in another ring, with the entries from `consumed` on; indices stay.
   *
   * @param size - at least what {@link left} says
   * @returns index behind the newest entry
   */
  move(bytes: Uint8Array, size: number, consumed: number): number {
    const from = this.ring;
    const to = new Ring(bytes, size, CompletionEntry.bytes);
    for (let i = consumed; i !== this.#produced; i = (i + 1) | 0) {
      const at = from.at(i);
      to.bytes.set(from.bytes.subarray(at, at + CompletionEntry.bytes), to.at(i));
    }
    to.retire(consumed);
    to.publish(this.#produced);
    to.setError(from.error());
    if (from.disarm()) to.arm();
    this.#published = this.#produced;
    this.#consumed = consumed;
    this.ring = to;
    return this.#produced;
  }

  /** Nothing more will come. @returns whether the program waits to be woken */
  fail(error: number = RingError.OVERRUN): boolean {
    if (this.ring.error() === RingError.NONE) this.ring.setError(error);
    return this.ring.disarm();
  }

  /** A program that claims to have consumed what was never produced has no more room for it. */
  #roomAfterLook(): boolean {
    const consumed = this.ring.consumer();
    const waiting = (this.#published - consumed) | 0;
    if (waiting < 0 || waiting > this.ring.size) return false;
    this.#consumed = consumed;
    return ((this.#produced - consumed) | 0) < this.ring.size;
  }
}
