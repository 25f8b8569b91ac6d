/** All cases, in the order in which they run. */
import type { HostileCase } from '../attack.ts';
import { churn, memoryLies, suddenDeaths } from './deaths.ts';
import { halfMessages, wrongFrames } from './frames.ts';
import { wrongHandles } from './handles.ts';
import { exhaustedLimits } from './limits.ts';
import { bellStorms, slowReaders } from './readers.ts';
import { forgedNumbers, ringScribbling } from './shared-memory.ts';
import { userApiFuzz } from './user-api-fuzz.ts';

export const HOSTILE_CASES: readonly HostileCase[] = [
  userApiFuzz,
  ringScribbling,
  forgedNumbers,
  wrongHandles,
  exhaustedLimits,
  wrongFrames,
  halfMessages,
  slowReaders,
  memoryLies,
  suddenDeaths,
  churn,
  bellStorms,
];
