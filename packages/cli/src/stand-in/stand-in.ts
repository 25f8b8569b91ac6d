/** Being the remote half of a Linux machine's tool, on an open device. */
import type { DeviceHandle } from '@verbena/core';
import { runPerftest } from './perftest.ts';
import { runPingpong } from './pingpong.ts';
import { planOf, type StandInReport, type StandInRequest } from './plan.ts';
import { runRping } from './rping.ts';
import { ToolBench } from './tool-bench.ts';

/**
 * Runs one tool's half to its end. The device stays open and keeps nothing of it.
 *
 * @param device - a device of transport `roce`
 * @throws VerbsError `EINVAL` what the tool cannot do · `EIO` the peer went away, a request failed, or wrong data came
 *   · `ETIMEDOUT` nothing happened for too long · `ECONNREFUSED`,
 *   `EADDRINUSE` as the exchange says. An aborted `signal` throws its reason.
 */
export async function runStandIn(device: DeviceHandle, request: StandInRequest): Promise<StandInReport> {
  const bench = new ToolBench(device);
  try {
    const plan = planOf(request, bench.portMtu);
    const { family } = plan.tool;
    if (family === 'pingpong') return await runPingpong(bench, plan);
    return await (family === 'perftest' ? runPerftest(bench, plan) : runRping(bench, plan));
  } finally {
    bench.close();
  }
}
