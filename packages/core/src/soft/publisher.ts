/** What programs are to be shown at the end of a step, and what is to fail then. One for all links of a device. */
import type { SoftCompletionQueue, SoftQueuePair } from './objects.ts';

export class Publisher {
  readonly #wakeReader: (cq: SoftCompletionQueue) => void;
  readonly #dirtyCqs: SoftCompletionQueue[] = [];
  readonly #dirtyQps: SoftQueuePair[] = [];
  readonly #doomed: SoftQueuePair[] = [];

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

  /** The queue pair is to go to ERR at the end of the step. */
  doom(qp: SoftQueuePair): void {
    if (qp.doomed || qp.state !== 'RTS') return;
    qp.doomed = true;
    this.#doomed.push(qp);
  }

  /** The next queue pair that must go to ERR; undefined when there is none. */
  nextDoomed(): SoftQueuePair | undefined {
    return this.#doomed.pop();
  }

  /** Shows programs what has happened since the last call. Slots come before completions: who sees one may post. */
  publish(): void {
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
      if (cq.ring.publish()) this.#wakeReader(cq);
    }
    cqs.length = 0;
  }
}
