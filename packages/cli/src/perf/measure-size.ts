/** One row of the table: warms up, measures, and says what it cost. */
import { figuresOf, figuresSince } from '../session/device-figures.ts';
import { BandwidthRun } from './bandwidth-run.ts';
import { FabricLane } from './fabric-lane.ts';
import { FabricLatencyRun, FabricRateRun } from './fabric-runs.ts';
import type { Lane } from './lane.ts';
import { LatencyRun } from './latency-run.ts';
import { drive, type Latencies, latenciesOf } from './measurement.ts';
import { PerfLane } from './perf-lane.ts';
import { defaultIterations, defaultWarmup, isFabricTest, type PerfPlan, type PerfTest } from './perf-tests.ts';

export interface SizeResult {
  readonly size: number;
  readonly iterations: number;
  readonly seconds: number;
  /** Bytes per second; `peak` over the best window of one depth. Bandwidth only. */
  readonly peak: number;
  readonly latencies: Latencies | undefined;
  readonly retransmittedPackets: number;
  readonly droppedPackets: number;
  /** User and system time of this process, seconds. */
  readonly cpuSeconds: number;
  /** Messages that the receiving buffer has seen, warming up included; one-sided ones begin anew at the first slot. */
  readonly messages: number;
}

/** @param others - what else must be driven: the other side, when it lives in this process */
export async function measureSize(plan: PerfPlan, lane: Lane, others: (() => void) | undefined): Promise<SizeResult> {
  const { device } = lane.endpoint;
  const warmup = plan.warmup ?? defaultWarmup(plan.test, lane.size);
  const asked = plan.iterations ?? (plan.seconds === undefined ? defaultIterations(plan.test, lane.size) : ENDLESS);
  const isBandwidth = plan.test.kind === 'bw';
  let run = isBandwidth ? rateRun(plan.test, lane, warmup) : latencyRun(plan.test, lane, asked);
  if ('restart' in run) run.restart(warmup);
  if (warmup > 0) await drive(run, device.polls, others);
  if ('restart' in run) run.restart(asked);
  else run = rateRun(plan.test, lane, asked);
  const before = figuresOf(device);
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  await drive(run, device.polls, others, plan.seconds);
  const seconds = (performance.now() - started) / 1e3;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    size: lane.size,
    iterations: run.progress,
    seconds,
    peak: 'peak' in run ? run.peak : 0,
    latencies: 'samples' in run ? latenciesOf(run.samples) : undefined,
    ...figuresSince(device, before),
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    messages: isOneSided(plan.test) ? Math.max(warmup, run.progress) : warmup + run.progress,
  };
}

const isOneSided = ({ operation }: PerfTest): boolean => operation === 'write' || operation === 'read';

function rateRun(test: PerfTest, lane: Lane, messages: number): BandwidthRun | FabricRateRun {
  if (isFabricTest(test) && lane instanceof FabricLane) return new FabricRateRun(test, lane, messages);
  if (!isFabricTest(test) && lane instanceof PerfLane) return new BandwidthRun(test, lane, messages);
  throw new Error(`the lane is not made for ${test.name}`);
}

function latencyRun(test: PerfTest, lane: Lane, messages: number): LatencyRun | FabricLatencyRun {
  if (isFabricTest(test) && lane instanceof FabricLane) return new FabricLatencyRun(test, lane, messages);
  if (!isFabricTest(test) && lane instanceof PerfLane) return new LatencyRun(test, lane, messages);
  throw new Error(`the lane is not made for ${test.name}`);
}

/** With a duration the clock ends the run. */
const ENDLESS = 2 ** 40;
