/** The port to a kernel half in this thread: posting and polling drive it, and the event loop when they stop. */
import type { KernelPort, Message, Nanos, Session, UserMemory } from '@verbena/core';
import type { Clock } from './clock.ts';
import type { Driver } from './driver.ts';
import { Waiters } from './waiters.ts';

export class LivePort implements KernelPort {
  readonly memory: UserMemory;
  readonly polls: boolean;
  readonly failure = '';
  readonly #session: Session;
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #waiters: Waiters;
  #posted = 0;
  /** Busy steps since the neighbours were driven. */
  #alone = 0;

  constructor(session: Session, driver: Driver, clock: Clock, memory: UserMemory, polls: boolean) {
    this.#session = session;
    this.#driver = driver;
    this.#clock = clock;
    this.memory = memory;
    this.polls = polls;
    this.#waiters = new Waiters(
      () => driver.hold(),
      () => driver.release(),
    );
    NEIGHBOURS.push(driver);
  }

  invoke(request: Message): Message {
    try {
      return this.#session.invoke(request, this.#clock.now());
    } finally {
      // The call may have left something to send.
      this.#driver.schedule();
    }
  }

  /**
   * Drives this device, and the thread's other inline devices whenever this one had nothing to do or was busy for
   * long: devices of one program that talk to each other would wait for each other's turn, and a program that polls
   * only one of them would starve the rest, since the event loop does not turn meanwhile.
   *
   * @returns work of all devices that were driven
   */
  progress(): number {
    this.#posted = 0;
    let work = this.#driver.progress();
    if (NEIGHBOURS.length > 1 && (work === 0 || ++this.#alone >= STEPS_ALONE)) {
      this.#alone = 0;
      for (let i = 0; i < NEIGHBOURS.length; i++) {
        const neighbour = NEIGHBOURS[i]!;
        if (neighbour !== this.#driver) work += neighbour.progress();
      }
    }
    return work;
  }

  scheduleProgress(): void {
    if (++this.#posted >= POSTS_PER_STEP) {
      this.#posted = 0;
      this.#driver.progress();
    } else this.#driver.schedule();
  }

  now(): Nanos {
    return this.#clock.now();
  }

  wait(handle: number, timeoutNs: Nanos, background?: boolean): Promise<void> {
    return this.#waiters.wait(handle, timeoutNs, background);
  }

  wake(handle: number): void {
    this.#waiters.wake(handle);
  }

  close(): void {
    const place = NEIGHBOURS.indexOf(this.#driver);
    if (place >= 0) NEIGHBOURS.splice(place, 1);
    this.#driver.close();
    this.#waiters.close();
  }
}

/** The devices that this thread drives. */
const NEIGHBOURS: Driver[] = [];
/** Busy steps after which the neighbours get one each. */
const STEPS_ALONE = 16;
/** Requests after which posting itself drives the device. */
const POSTS_PER_STEP = 64;
