/** The queue pairs of an engine: by the device's handle, and the way a target finds them. @spec uet:ses/1.2 */
import type { QueuePairConfig } from '../../engine/engine.ts';
import { ReceiveWork } from '../../engine/work.ts';
import type { DeliveryContext } from './pds/delivery-context.ts';
import type { Matching } from './ses/matched-sends.ts';
import type { Message } from './ses/message.ts';

export class LocalQueuePair {
  readonly config: QueuePairConfig;
  /** Generation of its resource index; peers must name the current one. */
  generation = 0;
  /** An ordered sender found no receive: refused until receives are posted. @spec uet:ses/3.4 */
  disabled = false;
  /** A receive that was taken and not used yet. */
  readonly spare = new ReceiveWork();
  hasSpare = false;
  /** Of one that matches: its receives, and messages that none takes yet. */
  matching: Matching | undefined = undefined;
  /** Datagrams may be waiting in its ring. */
  queued = false;
  /** Work was posted and not all of it could be taken. */
  starved = false;
  /** Requests that were taken, are not completed, and that a fence waits for: all, where order does not say enough. */
  openRequests = 0;
  /** A request that begins when they are; nothing behind it is taken before. */
  fenced: Message | undefined = undefined;
  /** The context of the last request: the next one most likely goes the same way. */
  last: DeliveryContext | undefined = undefined;

  constructor(config: QueuePairConfig) {
    this.config = config;
  }
}

export class QueuePairs {
  readonly #byHandle = new Map<number, LocalQueuePair>();
  /** (PIDonFEP, resource index) to queue pair; absolute and relative ones share the numbers of one endpoint. */
  readonly #byNumber = new Map<number, LocalQueuePair>();
  readonly #pids = new Map<number, LocalQueuePair[]>();
  readonly #jobs = new Map<number, number>();

  get size(): number {
    return this.#byHandle.size;
  }

  get(handle: number): LocalQueuePair | undefined {
    return this.#byHandle.get(handle);
  }

  all(): IterableIterator<LocalQueuePair> {
    return this.#byHandle.values();
  }

  /** @returns '' or why not */
  add(config: QueuePairConfig): string {
    const number = key(config.qpn);
    if (this.#byNumber.has(number)) return `queue pair number 0x${(config.qpn >>> 0).toString(16)} is taken`;
    if ((config.qpn & 0x7f00_0000) !== 0) return 'bits 30..24 of a queue pair number must be zero';
    const one = new LocalQueuePair(config);
    this.#byHandle.set(config.qp, one);
    this.#byNumber.set(number, one);
    const members = this.#pids.get(pidKey(config.qpn));
    if (members === undefined) this.#pids.set(pidKey(config.qpn), [one]);
    else members.push(one);
    return '';
  }

  remove(handle: number): LocalQueuePair | undefined {
    const one = this.#byHandle.get(handle);
    if (one === undefined) return undefined;
    this.#byHandle.delete(handle);
    this.#byNumber.delete(key(one.config.qpn));
    const members = this.#pids.get(pidKey(one.config.qpn))!;
    members.splice(members.indexOf(one), 1);
    if (members.length === 0) this.#pids.delete(pidKey(one.config.qpn));
    return one;
  }

  addJob(jobId: number): void {
    bump(this.#jobs, jobId, 1);
  }

  removeJob(jobId: number): void {
    bump(this.#jobs, jobId, -1);
  }

  hasJob(jobId: number): boolean {
    return this.#jobs.has(jobId);
  }

  hasPid(relative: boolean, pid: number): boolean {
    return this.#pids.has(pid | (relative ? 0 : ABSOLUTE_BIT));
  }

  /** All of a process. */
  ofProcess(relative: boolean, pid: number): readonly LocalQueuePair[] {
    return this.#pids.get(pid | (relative ? 0 : ABSOLUTE_BIT)) ?? [];
  }

  /** By what a packet names. */
  find(relative: boolean, pid: number, resource: number): LocalQueuePair | undefined {
    return this.#byNumber.get(pid | (resource << 12) | (relative ? 0 : ABSOLUTE_BIT));
  }
}

const ABSOLUTE_BIT = 1 << 24;
const key = (qpn: number): number => (qpn & 0xff_ffff) | (qpn < 0 || qpn >= 0x8000_0000 ? ABSOLUTE_BIT : 0);
const pidKey = (qpn: number): number => key(qpn) & (ABSOLUTE_BIT | 0xfff);

function bump(map: Map<number, number>, at: number, by: number): void {
  const count = (map.get(at) ?? 0) + by;
  if (count > 0) map.set(at, count);
  else map.delete(at);
}
