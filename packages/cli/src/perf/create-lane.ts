/** Makes lanes of the kind that a test needs, and what the passive side does with one. */
import type { Endpoint } from '../session/endpoint.ts';
import { FabricLane } from './fabric-lane.ts';
import { createFabricResponder } from './fabric-runs.ts';
import type { Lane, LaneShape } from './lane.ts';
import { PerfLane } from './perf-lane.ts';
import { isFabricTest, type PerfTest } from './perf-tests.ts';
import { createResponder, type Responder } from './responder.ts';

export function createLane(test: PerfTest, endpoint: Endpoint, shape: LaneShape): Lane {
  return isFabricTest(test) ? new FabricLane(endpoint, test, shape) : new PerfLane(endpoint, shape);
}

export function createLaneResponder(test: PerfTest, lane: Lane): Responder {
  if (isFabricTest(test) && lane instanceof FabricLane) return createFabricResponder(test, lane);
  if (!isFabricTest(test) && lane instanceof PerfLane) return createResponder(test, lane);
  throw new Error(`the lane is not made for ${test.name}`);
}
