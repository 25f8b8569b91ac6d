/** What programs are to be shown at the end of a step, and what is to fail then. One for all links of a device. */
import { type Nanos, NEVER } from '../engine/time.ts';
import type { SoftCompletionQueue, SoftQueuePair } from './objects.ts';

export class Publisher {
  readonly #wakeReader: (cq: SoftCompletionQueue) => void;
  readonly #dirtyCqs: SoftCompletionQueue[] = [];
  readonly #dirtyQps: SoftQueuePair[] = [];
  readonly #doomed: SoftQueuePair[] = [];
  /** Queues whose readers are woken later: they collect completions. */
  readonly #held: SoftCompletionQueue[] = [];

  constructor(wakeReader: (cq: SoftCompletionQueue) => void) {
    this.#wakeReader = wakeReader;
  }

  /** A slot of its rings is free again. */
  touch(qp: SoftQueuePair): void {
    if (qp.dirty) return;
    qp.dirty = true;
    this.#dirtyQps.push(qp);
  }

  /** It has a new entry. */
  completed(cq: SoftCompletionQueue): void {
    if (cq.dirty) return;
    cq.dirty = true;
    this.#dirtyCqs.push(cq);
  }

  /** The queue pair is to go to a state of failure at the end of the step; the worse one wins. */
  doom(qp: SoftQueuePair, to: 'ERR' | 'SQE' = 'ERR'): void {
    if (qp.doomed === 'ERR' || qp.doomed === to || !qp.inEngine || qp.state === 'CLOSING') return;
    if (qp.doomed === '') this.#doomed.push(qp);
    qp.doomed = to;
  }

  /** The next queue pair that must go to the state in `doomed`; undefined when there is none. */
  nextDoomed(): SoftQueuePair | undefined {
    return this.#doomed.pop();
  }

  /** Shows programs what has happened since the last call. Slots come before completions: who sees one may post. */
  publish(now: Nanos): void {
    const qps = this.#dirtyQps;
    for (let i = 0; i < qps.length; i++) {
      const qp = qps[i]!;
      qp.dirty = false;
      qp.sends.publish();
      qp.receives.publish();
    }
    qps.length = 0;
    const cqs = this.#dirtyCqs;
    for (let i = 0; i < cqs.length; i++) {
      const cq = cqs[i]!;
      cq.dirty = false;
      if (cq.moderation > 0) this.#collect(cq, now);
      else if (cq.ring.publish()) this.#wakeReader(cq);
    }
    cqs.length = 0;
    if (this.#held.length > 0) this.#releaseDue(now);
  }

  /** When readers must be woken that are held back. */
  deadline(): Nanos {
    let earliest = NEVER;
    for (let i = 0; i < this.#held.length; i++) earliest = Math.min(earliest, this.#held[i]!.heldUntil);
    return earliest;
  }

  /** The queue collects nothing any more: its reader is woken if there is something, unless it is gone. */
  release(cq: SoftCompletionQueue, wake: boolean): void {
    const at = this.#held.indexOf(cq);
    if (at >= 0) this.#held.splice(at, 1);
    cq.heldUntil = NEVER;
    if (cq.unannounced > 0 && wake && cq.ring.disarm()) this.#wakeReader(cq);
    cq.unannounced = 0;
  }

  #collect(cq: SoftCompletionQueue, now: Nanos): void {
    cq.unannounced += cq.ring.show();
    if (cq.unannounced >= cq.moderation) this.release(cq, true);
    else if (cq.heldUntil === NEVER && cq.unannounced > 0) {
      cq.heldUntil = now + cq.periodNs;
      this.#held.push(cq);
    }
  }

  #releaseDue(now: Nanos): void {
    for (let i = this.#held.length - 1; i >= 0; i--) {
      const cq = this.#held[i]!;
      if (cq.heldUntil <= now) this.release(cq, true);
    }
  }
}
