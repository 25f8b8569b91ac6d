/**
 * Hostile clients against a daemon that is a process of its own. Meanwhile a victim in another process moves data through
 * the same daemon and looks at every byte; after each case the daemon must be as it was before.
 */
import { SeededRandom } from '@verbena/core';
import { Attack, type HostileCase } from './attack.ts';
import { DaemonProcess } from './daemon-process.ts';
import { type Programs, programs } from './programs.ts';
import { Victim, type VictimReport } from './victim.ts';

export interface CaseReport {
  readonly name: string;
  readonly seed: number;
  readonly seconds: number;
  /** What went wrong; empty when nothing did. */
  readonly problems: readonly string[];
  readonly facts: Readonly<Record<string, number>>;
  readonly victim: VictimReport;
  /** What the daemon counted meanwhile, where it is not zero. */
  readonly counted: Readonly<Record<string, number>>;
  readonly residentBytes: readonly [before: number, after: number];
}

export class HostileSuite {
  readonly daemon: DaemonProcess;
  readonly #victim: Victim;
  readonly #files: Programs;
  /** The victim alone. */
  readonly quiet: VictimReport;

  static async start(quietMs = 1000): Promise<HostileSuite> {
    const files = await programs();
    let daemon: DaemonProcess | undefined;
    let victim: Victim | undefined;
    try {
      daemon = await DaemonProcess.start();
      victim = await Victim.start(daemon, files);
      await new Promise((resolve) => setTimeout(resolve, quietMs));
      return new HostileSuite(daemon, victim, files, await victim.pause());
    } catch (thrown) {
      victim?.kill();
      daemon?.kill();
      files.remove();
      throw thrown;
    }
  }

  private constructor(daemon: DaemonProcess, victim: Victim, files: Programs, quiet: VictimReport) {
    this.daemon = daemon;
    this.#victim = victim;
    this.#files = files;
    this.quiet = quiet;
  }

  /** @param effort - 1 for a short run, more for so many times the work */
  async run(one: HostileCase, seed: number, effort = 1): Promise<CaseReport> {
    const { daemon } = this;
    const problems: string[] = [];
    const before = await daemon.state();
    const counted = await daemon.counters();
    this.#victim.resume();
    const attack = new Attack(daemon, this.#files, new SeededRandom(seed), effort);
    const start = performance.now();
    try {
      await one.attack(attack);
    } catch (thrown) {
      problems.push(thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown));
    } finally {
      attack.end();
    }
    const seconds = (performance.now() - start) / 1000;
    const victim = await this.#victim.pause();
    problems.push(...attack.problems, ...victimProblems(victim));
    if (!daemon.alive) problems.push(`the daemon is gone: ${daemon.log}`);
    const left = await daemon.settles(before);
    problems.push(...left);
    const after = await daemon.state();
    const grown = after.residentBytes - before.residentBytes;
    if (grown > MAX_GROWTH_BYTES) problems.push(`the daemon grew by ${Math.round(grown / 2 ** 20)} MiB`);
    const difference = changes(counted, await daemon.counters());
    if (difference.droppedFailed !== undefined) problems.push(`the daemon failed inside: ${daemon.log}`);
    return {
      ...{ name: one.name, seed, seconds, problems, facts: attack.facts, victim, counted: difference },
      residentBytes: [before.residentBytes, after.residentBytes],
    };
  }

  /** Ends victim and daemon. @returns what went wrong */
  async close(): Promise<readonly string[]> {
    this.#victim.resume();
    await this.#victim.stop();
    const status = await this.daemon.stop();
    this.#files.remove();
    return status === 0 ? [] : [`the daemon ended with ${status}: ${this.daemon.log}`];
  }
}

function victimProblems({ exchanges, wrongBytes, maxMs, failures }: VictimReport): string[] {
  const problems = failures.map((one) => `the victim failed: ${one}`);
  if (wrongBytes > 0) problems.push(`the victim saw ${wrongBytes} wrong bytes`);
  if (exchanges === 0) problems.push('the victim got nothing done');
  if (maxMs > MAX_STALL_MS) problems.push(`the victim stalled for ${Math.round(maxMs)} ms`);
  return problems;
}

function changes(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>) {
  const found: Record<string, number> = {};
  for (const [name, value] of Object.entries(after)) {
    const change = value - (before[name] ?? 0);
    if (change !== 0) found[name] = change;
  }
  return found;
}

/** Longest time that one exchange of the victim may take. */
const MAX_STALL_MS = 2000;
/** Heaps grow before they are collected. */
const MAX_GROWTH_BYTES = 160 * 2 ** 20;
