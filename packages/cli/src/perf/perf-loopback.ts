/** Both sides of a measurement in one process: one loop polls both devices. */

import { refusal } from '../failure.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { createLane, createLaneResponder } from './create-lane.ts';
import type { Lane } from './lane.ts';
import { measureSize, type SizeResult } from './measure-size.ts';
import type { PerfPlan } from './perf-tests.ts';

/** @param onLanes - told the first time that both sides are known */
export async function measureLoopback(
  plan: PerfPlan,
  here: Endpoint,
  there: Endpoint,
  size: number,
  onLanes: (local: Lane, remote: Lane) => void,
): Promise<SizeResult> {
  const shape = { size, depth: plan.depth, ordered: plan.ordered };
  const local = createLane(plan.test, here, shape);
  const remote = createLane(plan.test, there, shape);
  local.connect(there.place, remote.card);
  remote.connect(here.place, local.card);
  local.fill(plan.seed);
  remote.fill(plan.seed);
  onLanes(local, remote);
  const responder = createLaneResponder(plan.test, remote);
  const result = await measureSize(plan, local, () => responder.step());
  const receiver = plan.test.operation === 'read' ? local : remote;
  if (!receiver.verify(plan.test, result.messages, plan.seed)) throw wrongData(size);
  local.close();
  remote.close();
  return result;
}

export function wrongData(size: number): Error {
  return refusal('EIO', 'perf', `messages of ${size} bytes did not arrive as they were sent`, {
    try: 'repeat with --seed and --capture, and tell us: this must not happen',
  });
}
