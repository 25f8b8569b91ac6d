/**
 * Drives one kernel half from an event loop.
 *
 *              work                     no work for SPIN_NS
 *   turning ─────────► turning   turning ─────────────────► asleep
 *   asleep ── packet · timer · schedule() ──► turning
 *
 * A turn is one `setImmediate`. Asleep, a watcher on the socket and one timer for the next deadline wait, so peers'
 * one-sided operations complete while the program idles, and an idle device uses no processor time.
 */
import { type Nanos, NEVER } from '@verbena/core';
import type { LiveWire } from '../wire/live-wire.ts';
import type { Clock } from './clock.ts';

/** What is driven: a kernel device, or a test's stand-in. */
export interface Stepped {
  /** @returns the amount of work done */
  step(now: Nanos): number;
  deadline(): Nanos;
}

export class Driver {
  readonly #kernel: Stepped;
  readonly #wires: readonly LiveWire[];
  readonly #clock: Clock;
  readonly #spinNs: Nanos;
  readonly #turn = () => this.#turned();
  readonly #woken = () => this.schedule();
  readonly #due = () => this.#timedOut();
  /** Asks for a last look before sleeping, and tells posters that they must wake this thread. */
  readonly #sleeping: ((asleep: boolean) => boolean) | undefined;
  #scheduled: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerDue: Nanos = NEVER;
  #lastWork: Nanos = 0;
  #holds = 0;
  #asleep = false;
  #closed = false;

  /**
   * @param spinNs - how long to go on turning without work
   * @param sleeping - told true before sleeping, and false after; true as answer to true keeps it awake
   */
  constructor(
    kernel: Stepped,
    wires: readonly LiveWire[],
    clock: Clock,
    spinNs: Nanos,
    sleeping?: (asleep: boolean) => boolean,
  ) {
    this.#kernel = kernel;
    this.#wires = wires;
    this.#clock = clock;
    this.#spinNs = spinNs;
    this.#sleeping = sleeping;
    this.#sleep(NEVER);
  }

  /** One step now. The program polls: the loop only has to take over when it stops. */
  progress(): number {
    if (this.#closed) return 0;
    const work = this.#kernel.step(this.#clock.now());
    // Whoever polls in a loop keeps the event loop from turning, so this costs nothing then.
    if (work > 0) this.schedule();
    return work;
  }

  /** A step on the next turn of the event loop; once, however often this is called. */
  schedule(): void {
    if (this.#scheduled !== undefined || this.#closed) return;
    this.#scheduled = setImmediate(this.#turn);
  }

  /** Keeps the process alive until the matching {@link release}; somebody waits. */
  hold(): void {
    if (this.#holds++ > 0 || this.#closed) return;
    this.#lastWork = this.#clock.now();
    for (const wire of this.#wires) wire.hold(true);
    this.#timer?.ref();
    this.schedule();
  }

  release(): void {
    if (this.#holds === 0 || --this.#holds > 0) return;
    for (const wire of this.#wires) wire.hold(false);
    this.#timer?.unref();
  }

  /** Somebody waits. */
  get held(): boolean {
    return this.#holds > 0;
  }

  close(): void {
    this.#closed = true;
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const wire of this.#wires) wire.stopWaking();
  }

  #turned(): void {
    this.#scheduled = undefined;
    if (this.#closed) return;
    if (this.#asleep) {
      this.#asleep = false;
      this.#sleeping?.(false);
    }
    let now = this.#clock.now();
    let work = this.#kernel.step(now);
    const until = now + TURN_NS;
    for (let i = 1; i < STEPS_PER_TURN || now < until; i++) {
      if (work > 0) this.#lastWork = now;
      // another turn of the event loop costs more than a few looks in vain
      else if (this.#holds === 0 || now - this.#lastWork > PATIENCE_NS) break;
      now = this.#clock.now();
      work = this.#kernel.step(now);
    }
    if (work > 0) this.#lastWork = now;
    if (this.#closed) return;
    // Only somebody who waits is worth spinning for.
    const spinning = work > 0 || (this.#holds > 0 && now - this.#lastWork <= this.#spinNs);
    const deadline = this.#kernel.deadline();
    if (spinning || deadline - now < MIN_TIMER_NS) this.schedule();
    else this.#sleep(deadline);
  }

  #sleep(deadline: Nanos): void {
    this.#asleep = true;
    if (this.#sleeping?.(true) === true) {
      this.schedule();
      return;
    }
    for (let i = 0; i < this.#wires.length; i++) this.#wires[i]!.wakeOnPacket(this.#woken);
    this.#arm(deadline);
  }

  /** One timer; a later deadline lets it fire early instead of being set again. */
  #arm(deadline: Nanos): void {
    if (deadline === NEVER || deadline >= this.#timerDue) return;
    clearTimeout(this.#timer);
    const now = this.#clock.now();
    this.#timerDue = Math.max(deadline, now + MIN_TIMER_NS);
    const wait = Math.min(Math.ceil((this.#timerDue - now) / 1e6), MAX_TIMER_MS);
    this.#timer = setTimeout(this.#due, wait);
    if (this.#holds === 0) this.#timer.unref();
  }

  #timedOut(): void {
    this.#timer = undefined;
    this.#timerDue = NEVER;
    this.schedule();
  }
}

/** Deadlines nearer than this are not worth a timer, which would be late. */
const MIN_TIMER_NS: Nanos = 500_000;
const MAX_TIMER_MS = 1_000_000;
const STEPS_PER_TURN = 4;
/** How long a turn goes on after its last work. */
const PATIENCE_NS: Nanos = 20_000;
/** A busy device takes further steps for so long: a turn of the event loop costs as much as a small step. */
const TURN_NS: Nanos = 200_000;
/** How long a waiting program spins before it sleeps; waking up costs about half of that. */
export const SPIN_NS: Nanos = 50_000;
