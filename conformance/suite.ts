/** Runs rules against an endpoint, several at a time, each on an address of its own; says of each what came out. */
import { SeededRandom } from '@verbena/core';
import { Broken, type Rule, Skipped } from './rule.ts';
import { DEFAULT_PORT, type EndpointTarget, lacks, type Target } from './target.ts';
import { Lane } from './tester/lane.ts';
import { CRC_COAT } from './tester/packet-coat.ts';
import { SecurityCoat } from './tester/security-coat.ts';
import { Tester } from './tester/tester.ts';
import type { UpperTester } from './tester/upper-tester.ts';

export type Outcome = 'pass' | 'fail' | 'skip';

export interface Result {
  readonly rule: Rule;
  readonly outcome: Outcome;
  /** Why it was skipped. */
  readonly reason: string;
  readonly expected: string;
  readonly seen: string;
  readonly ms: number;
  /** It failed beside others, and was run again alone. */
  readonly isSecondTry?: boolean;
}

export interface SuiteOptions {
  readonly target: Target;
  readonly upper: UpperTester | undefined;
  readonly seed: number;
  /** Addresses that the tester may use; rules run side by side, one on each. */
  readonly addresses: Addresses;
  /** Told of each result as it comes. */
  readonly onResult?: (result: Result) => void;
}

/** Where the tester sends from. */
export interface Addresses {
  /** How many rules run at a time. */
  readonly width: number;
  /** An address for one case; to be given back. */
  take(): string;
}

/** The addresses 127.x.y.1 and up: a new one for each case, so that cases are strangers to each other. */
export function loopbackAddresses(net: string, width = 12): Addresses {
  let next = 0;
  return {
    width,
    take: () => `${net}.${16 + Math.floor(next / 250)}.${1 + (next++ % 250)}`,
  };
}

/** One address for all, and so one case after the other. */
export const oneAddress = (address: string): Addresses => ({ width: 1, take: () => address });

export async function runSuite(rules: readonly Rule[], options: SuiteOptions): Promise<Result[]> {
  const results: Result[] = new Array(rules.length);
  const alone = rules.map((_, i) => i).filter((i) => isAlone(rules[i]!));
  const others = rules.map((_, i) => i).filter((i) => !isAlone(rules[i]!));
  const work = async (queue: number[]) => {
    for (let i = queue.shift(); i !== undefined; i = queue.shift()) {
      results[i] = await runRule(rules[i]!, i, options);
      options.onResult?.(results[i]!);
    }
  };
  await Promise.all(Array.from({ length: options.addresses.width }, () => work(others)));
  await work(alone);
  // a busy machine makes cases fail that depend on time: what fails alone as well is broken
  const failed = results.map(({ outcome }, i) => (outcome === 'fail' ? i : -1)).filter((i) => i >= 0);
  if (failed.length <= MOST_TRIED_AGAIN) {
    for (const i of failed) {
      results[i] = { ...(await runRule(rules[i]!, i + rules.length, options)), isSecondTry: true };
      options.onResult?.(results[i]!);
    }
  }
  return results;
}

/** Rules that fill up what all share. */
const isAlone = ({ on }: Rule): boolean => on === 'cccs' || on === 'bitmaps';

async function runRule(rule: Rule, number: number, options: SuiteOptions): Promise<Result> {
  const { target, upper, seed, addresses } = options;
  const begun = performance.now();
  const result = (outcome: Outcome, reason = '', expected = '', seen = ''): Result => ({
    ...{ rule, outcome, reason, expected, seen, ms: Math.round(performance.now() - begun) },
  });
  const endpoint = target.endpoints[rule.on];
  if (endpoint === undefined) return result('skip', `the target has no endpoint '${rule.on}'`);
  const missing = lacks(endpoint, upper !== undefined, rule.needs);
  if (missing !== '') return result('skip', `the target has not ${missing}`);
  const random = new SeededRandom(hash(rule.id) ^ seed);
  const security = endpoint.security === undefined ? undefined : new SecurityCoat(endpoint.security, FIRST_TSC(number));
  const coat = security ?? (endpoint.crc ? CRC_COAT : undefined);
  const openLane = () => Lane.open(...whereFor(endpoint, addresses), endpoint, coat);
  let lane: Lane | undefined;
  let tester: Tester | undefined;
  try {
    lane = await openLane();
    tester = new Tester({
      ...{
        endpoint,
        name: rule.on,
        lane,
        upper,
        security,
        number,
        openLane: addresses.width > 1 ? openLane : nothing,
        random: () => random.uint32() / 2 ** 32,
      },
      ...{ timeoutMs: target.timeoutMs ?? 1000, silenceMs: target.silenceMs ?? 40 },
    });
    await rule.run(tester);
    return result('pass');
  } catch (error) {
    if (error instanceof Skipped) return result('skip', error.message);
    if (error instanceof Broken) return result('fail', '', error.expected, error.seen);
    return result('fail', '', 'the case to run', error instanceof Error ? String(error.stack) : String(error));
  } finally {
    await tester?.end().catch(() => {});
    lane?.close();
  }
}

const nothing = (): Promise<undefined> => Promise.resolve(undefined);

/** Where the tester's end of a case is. */
function whereFor(endpoint: EndpointTarget, addresses: Addresses): [address: string, port: number] {
  // on an address of its own machine a peer is known by its port
  if (endpoint.address === '::1') return ['::1', 0];
  return [addresses.take(), DEFAULT_PORT];
}

function hash(text: string): number {
  let value = 0x811c_9dc5;
  for (const letter of text) value = Math.imul(value ^ letter.charCodeAt(0), 0x0100_0193);
  return value >>> 0;
}

/** More failures than this are no accident. */
const MOST_TRIED_AGAIN = 10;

/** Packet counters of one address begin where no earlier run used them: by the clock, and far enough apart. */
const FIRST_TSC = (number: number): number => (Date.now() % 2 ** 20) * 2 ** 12 + number;
