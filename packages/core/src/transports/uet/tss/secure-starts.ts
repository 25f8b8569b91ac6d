/**
 * First PSNs of protected contexts. A recorded packet opens as well the second time, so it must not find a context that
 * takes its PSN: starts that an earlier context could have had are refused.
 *
 * 1-RTT: every start is told by the destination, by chance, and proven by coming back. It needs no memory, so it also holds
 * after a restart. 0-RTT: whoever starts behind everything that was used by this peer is taken at once. What is not known
 * (a new peer, one that was forgotten) is asked as in 1-RTT.
 *
 * @spec uet:tss/14 uet:pds/3.6
 */
import { psnAdd, psnAfter, psnDelta } from '../../../base/psn.ts';
import { PATHS } from './paths.ts';

/** Values of the setting `secureStart`. */
export const SecureStart = { EXPECTED: 0, RANDOM: 1 } as const;

export class SecureStarts {
  readonly #method: number;
  /** Of paths: the first PSN that no context of that peer has used here. */
  readonly #floors = new Map<number, Floor>();
  /** Of paths: the first PSN that no context of ours has used there. */
  readonly #next = new Map<number, number>();

  /** @param method - one of `SecureStart` */
  constructor(method: number) {
    this.#method = method;
  }

  /** Whether a peer's context may start there at once. */
  accepts(path: number, start: number): boolean {
    if (path < PATHS) return true;
    const floor = this.#usable(path);
    return floor !== undefined && psnDelta(floor.psn, start) >= 0;
  }

  /** What to tell a peer that may not; -1: any number that it cannot have had before. */
  expected(path: number): number {
    return this.#usable(path)?.psn ?? -1;
  }

  /** A peer's context has ended. @param highest - PSN that it used */
  ended(path: number, highest: number): void {
    if (path < PATHS || this.#method !== SecureStart.EXPECTED) return;
    const psn = psnAdd(highest, 1);
    const floor = this.#floors.get(path);
    if (floor === undefined) {
      keep(this.#floors, path, { psn, moved: 0 });
      return;
    }
    const step = psnDelta(floor.psn, psn);
    if (step <= 0) return;
    floor.psn = psn;
    floor.moved += step;
  }

  /** A context of ours has ended. @param next - PSN that it would have used next */
  used(path: number, next: number): void {
    if (path < PATHS) return;
    const known = this.#next.get(path);
    if (known === undefined || psnAfter(next, known)) keep(this.#next, path, next);
  }

  /** Where to start with a peer; -1: anywhere. */
  start(path: number): number {
    return this.#next.get(path) ?? -1;
  }

  /** After so many PSNs a floor that only grows says nothing any more about the first of them. */
  #usable(path: number): Floor | undefined {
    if (this.#method !== SecureStart.EXPECTED) return undefined;
    const floor = this.#floors.get(path);
    return floor === undefined || floor.moved > MAX_MOVE ? undefined : floor;
  }
}

/** Whether a protected context has used so many PSNs that another one should go on. @spec uet:tss/14.2 */
export const isSpent = (path: number, start: number, next: number): boolean =>
  path >= PATHS && psnAdd(next, -start) > MAX_MOVE;

interface Floor {
  psn: number;
  /** PSNs that it has moved since it was known. */
  moved: number;
}

/** Adds to a bounded map; the oldest entry goes. Whoever is forgotten is asked, which costs a round trip. */
function keep<V>(map: Map<number, V>, path: number, value: V): void {
  if (!map.has(path) && map.size >= MAX_PEERS) {
    for (const oldest of map.keys()) {
      map.delete(oldest);
      break;
    }
  }
  map.set(path, value);
}

const MAX_MOVE = 2 ** 30;
const MAX_PEERS = 8192;
