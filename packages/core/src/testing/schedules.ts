/**
 * Random schedules: from one seed a topology, links whose faults change while work is under way, and a mix of
 * operations. What one run does and checks is in `schedule.ts`, and in `datagram-schedule.ts` for what promises nothing.
 */
import { SeededRandom } from '../base/random.ts';
import type { Transport } from '../engine/engine.ts';
import type { QpType } from '../uapi/objects/qp.ts';
import { DatagramSchedule } from './datagram-schedule.ts';
import type { SentPacket } from './pump.ts';
import { Schedule } from './schedule.ts';

export interface ScheduleOptions extends ScheduleRunOptions {
  /** First seed. Default 1. */
  readonly from?: number;
  readonly count: number;
}

/** What one run must know. */
export interface ScheduleRunOptions {
  readonly settings?: Readonly<Record<string, number>>;
  /** Draws further settings of one run, which go before `settings`. */
  readonly draw?: (random: SeededRandom) => Readonly<Record<string, number>>;
  /** With these settings a long message may complete behind later ones. Receives are taken in order all the same. */
  readonly completesLate?: (settings: Readonly<Record<string, number>>) => boolean;
  /** Kind of the queue pairs. Default: as test beds choose. */
  readonly kind?: QpType;
  /** Whether queue pairs are ordered. Default: some runs are. */
  readonly ordered?: boolean;
  /** Queue pairs whose writes and reads may be executed again. Default false. */
  readonly idempotent?: boolean;
  /** Memory is registered as safe to access more than once. Default: as `idempotent`. */
  readonly idempotentMemory?: boolean;
  /** False: links delay packets and do nothing else to them. Default true. */
  readonly faults?: boolean;
  /** Makes the inspector of one run: rules of the transport for each packet. */
  readonly inspector?: () => (packet: SentPacket) => string | undefined;
  /** Makes transport and inspector of one run, where runs must not share what the transport keeps. */
  readonly world?: () => ScheduleWorld;
}

export interface ScheduleWorld {
  readonly transport: Transport;
  readonly inspect?: (packet: SentPacket) => string | undefined;
}

export interface ScheduleFailure {
  readonly seed: number;
  readonly text: string;
}

export interface ScheduleReport {
  readonly runs: number;
  readonly operations: number;
  readonly packets: number;
  /** Requests that ended with another status than success. */
  readonly failedRequests: number;
  readonly failures: readonly ScheduleFailure[];
}

/** Runs `count` schedules, seed after seed. */
export function runSchedules(transport: Transport, options: ScheduleOptions): ScheduleReport {
  const { from = 1, count } = options;
  const failures: ScheduleFailure[] = [];
  let [operations, packets, failedRequests] = [0, 0, 0];
  for (let seed = from; seed < from + count; seed++) {
    try {
      const done = runSchedule(transport, seed, options);
      operations += done.operations;
      packets += done.packets;
      failedRequests += done.failedRequests;
    } catch {
      failures.push({ seed, text: explainSchedule(transport, seed, options) });
    }
  }
  return { runs: count, operations, packets, failedRequests, failures };
}

/** Runs one schedule. @throws Error what went wrong */
export function runSchedule(
  transport: Transport,
  seed: number,
  options: ScheduleRunOptions = {},
  keep = 0,
): { operations: number; packets: number; failedRequests: number; hash: string } {
  const world = options.world?.() ?? { transport, inspect: options.inspector?.() };
  // from a sequence of its own: what else a seed means stays as it is
  const drawn = options.draw?.(new SeededRandom(seed ^ SETTINGS)) ?? {};
  const settings = { ...options.settings, ...drawn };
  const completesLate = options.completesLate?.(settings) ?? false;
  const plan = {
    ...options,
    settings,
    completesLate,
    keep,
    ...(world.inspect === undefined ? {} : { inspect: world.inspect }),
  };
  const schedule =
    options.kind === 'UD'
      ? new DatagramSchedule(world.transport, seed, plan)
      : new Schedule(world.transport, seed, plan);
  schedule.run();
  const { operations, bed } = schedule;
  const failedRequests = operations.filter(({ status }) => status !== 'SUCCESS').length;
  return { operations: operations.length, packets: bed.pump.trace.packets, failedRequests, hash: bed.pump.trace.hash };
}

/** Runs a failing schedule again, with the last packets in full. */
function explainSchedule(transport: Transport, seed: number, options: ScheduleOptions): string {
  try {
    runSchedule(transport, seed, options, 48);
  } catch (thrown) {
    return `schedule ${seed}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`;
  }
  return `schedule ${seed} failed once and not again: the run is not deterministic`;
}

const SETTINGS = 0x5e77_1265;
