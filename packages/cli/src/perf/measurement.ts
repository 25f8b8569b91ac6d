/** What a measurement yields, and the loop that runs one. */
import { refusal } from '../failure.ts';
import { turn } from '../session/channel.ts';

/** Something that is moved on by calling `step` again and again. Nothing in it may block or allocate per message. */
export interface Run {
  /** @returns true when it is finished */
  step(): boolean;
  /** Grows while it gets on. */
  readonly progress: number;
  /** Posts no more; what is in flight is still awaited. */
  stop(): void;
  /** Resolves when there may be something to do; for devices that somebody else drives. Without it the event loop turns. */
  idle?(): Promise<void>;
}

/**
 * Runs to the end.
 *
 * @param polls - the device finds packets itself; else the event loop must turn for each step
 * @param others - driven along, between steps
 * @throws VerbsError ETIMEDOUT nothing moves any more
 */
export async function drive(run: Run, polls: boolean, others?: () => void, seconds?: number): Promise<void> {
  const started = performance.now();
  const end = seconds === undefined ? Number.POSITIVE_INFINITY : started + seconds * 1e3;
  let yielded = started;
  let moved = started;
  let seen = run.progress;
  for (;;) {
    const before = run.progress;
    for (let i = 0; i < (polls ? STEPS : 1); i++) {
      if (run.step()) return;
      others?.();
    }
    // a core that spins here is one that the device's own thread, or a daemon, does not have
    if (!polls && others === undefined && run.progress === before) await run.idle?.();
    const now = performance.now();
    if (now >= end) run.stop();
    if (run.progress !== seen) {
      seen = run.progress;
      moved = now;
    } else if (now - moved > STALL_MS) {
      throw refusal('ETIMEDOUT', 'perf', `nothing moved for ${STALL_MS / 1e3} s`, {
        try: 'is the other side still running? fewer faults, or a smaller depth',
      });
    }
    if (!polls || now - yielded > SLICE_MS) {
      await turn(); // signals and timers want to live as well
      yielded = performance.now();
    }
  }
}

/** Sorted latencies, in microseconds. */
export interface Latencies {
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly average: number;
  readonly deviation: number;
}

/** @param samples - microseconds; sorted in place */
export function latenciesOf(samples: Float64Array): Latencies {
  samples.sort();
  const at = (share: number) => samples[Math.min(samples.length - 1, Math.floor(share * samples.length))] ?? 0;
  let sum = 0;
  for (const sample of samples) sum += sample;
  const average = samples.length === 0 ? 0 : sum / samples.length;
  let squares = 0;
  for (const sample of samples) squares += (sample - average) ** 2;
  return {
    min: samples[0] ?? 0,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: samples.at(-1) ?? 0,
    average,
    deviation: samples.length === 0 ? 0 : Math.sqrt(squares / samples.length),
  };
}

/** Steps between two looks at the clock. */
const STEPS = 256;
const SLICE_MS = 50;
const STALL_MS = 10_000;
