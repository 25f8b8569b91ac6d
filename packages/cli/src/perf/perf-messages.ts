/** Messages between the two sides of a measurement. */
import { refusal } from '../failure.ts';
import { parseEnd } from '../session/link-end.ts';
import { type Body, isCount } from '../session/session.ts';
import type { LaneCard, LaneShape } from './lane.ts';
import { type PerfTest, perfTest } from './perf-tests.ts';

export interface LaneRequest extends LaneShape {
  readonly test: PerfTest;
  readonly seed: number;
  readonly card: LaneCard;
}

export function laneBody({ test, card, ...shape }: LaneRequest): Body {
  return { ...shape, test: test.name, card: cardBody(card) };
}

/** @throws VerbsError when the client asks for what this side does not offer */
export function parseLaneRequest(body: Body): LaneRequest {
  const { size, depth, seed, ordered } = body;
  const test = perfTest(String(body.test));
  if (test === undefined) throw refusal('EOPNOTSUPP', 'perf', 'the server does not know this test');
  if (!isCount(size) || size < 1 || size > MAX_SIZE)
    throw refusal('EINVAL', 'perf', `no message has ${String(size)} bytes`);
  if (!isCount(depth) || depth < 1 || depth > MAX_DEPTH) throw refusal('EINVAL', 'perf', 'the depth is out of range');
  if (!isCount(seed)) throw refusal('EINVAL', 'perf', 'the seed is missing');
  return { test, size, depth, seed, ordered: ordered === true, card: parseCard(body.card) };
}

export function cardBody({ in: into, out, ...end }: LaneCard): Body {
  return { ...end, in: into.toString(16), out: out.toString(16) };
}

export function parseCard(value: unknown): LaneCard {
  const { in: into, out, name } = (value ?? {}) as Record<string, unknown>;
  if (!isKey(into) || !isKey(out)) {
    throw refusal('EINVAL', 'perf', 'the other side does not say where its memory is');
  }
  const card = { ...parseEnd(value), in: BigInt(`0x${into}`), out: BigInt(`0x${out}`) };
  return typeof name === 'string' && /^[0-9a-f]{64}$/.test(name) ? { ...card, name } : card;
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{1,16}$/.test(value);
}

/** Largest message: 2^23, as perftest's -a ends. */
export const MAX_SIZE = 2 ** 26;
export const MAX_DEPTH = 8192;
