/** What the project has to do: every requirement, by section, in the order of the ids. */
import { DEVICE_AND_OBJECT_REQUIREMENTS } from './device-and-object-requirements.ts';
import { DRIVER_AND_JOB_REQUIREMENTS } from './driver-and-job-requirements.ts';
import { MANAGEMENT_REQUIREMENTS } from './management-requirements.ts';
import type { RequirementSection } from './requirement.ts';
import { UET_AND_PROCESS_REQUIREMENTS } from './uet-and-process-requirements.ts';

export const REQUIREMENTS: readonly RequirementSection[] = [
  ...DEVICE_AND_OBJECT_REQUIREMENTS,
  ...DRIVER_AND_JOB_REQUIREMENTS,
  ...MANAGEMENT_REQUIREMENTS,
  ...UET_AND_PROCESS_REQUIREMENTS,
];
