/** What a case of the driver suite is. */
import type { DriverBench, DriverProgram } from '../driver-bench.ts';
import { check } from '../suite-case.ts';

export interface DriverCase {
  /** Topic and what it shows, for instance `removal/blocked-readers-wake`. */
  readonly name: string;
  /** Requirements that it proves. */
  readonly proves: string;
  run(bench: DriverBench): void;
}

export const driverCase = (name: string, proves: string, run: (bench: DriverBench) => void): DriverCase => ({
  name,
  proves,
  run,
});

/** One object of each kind, by every method that makes one. @returns method, kind and handle */
export function makeAll(program: DriverProgram): { method: string; kind: string; handle: number }[] {
  const made = program.bench.makers().map(({ name, makes }) => ({
    method: name,
    kind: makes!.name,
    handle: program.make(name),
  }));
  check(made.length > 0, 'the driver makes no objects at all');
  return made;
}
