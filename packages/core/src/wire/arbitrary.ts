/**
 * Random headers for property tests.
 *
 * The library has no dependencies, so fast-check comes in as an argument. Not exported at the public edge.
 */
import { type AnyHeader, describe, type FieldInfo } from './header.ts';

/** The part of fast-check that is needed; `A` is what its `record` returns. */
export interface FastCheck<A> {
  integer(range: { min: number; max: number }): object;
  bigInt(range: { min: bigint; max: bigint }): object;
  uint8Array(size: { minLength: number; maxLength: number }): object;
  // biome-ignore lint/suspicious/noExplicitAny: fast-check's own type of a record is generic in each property
  record(model: Record<string, any>): A;
}

/** Records (as in `record.ts`) whose values cover the whole range of each field; reserved fields are left out. */
export function arbitrary<A>(fc: FastCheck<A>, declared: AnyHeader): A {
  const { fields } = describe(declared);
  return fc.record(Object.fromEntries(fields.filter((one) => !one.reserved).map((one) => [one.name, values(fc, one)])));
}

function values<A>(fc: FastCheck<A>, { kind, bits, signed }: FieldInfo): object {
  if (kind === 'bytes') return fc.uint8Array({ minLength: bits / 8, maxLength: bits / 8 });
  if (kind === 'u64') return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  return signed === true
    ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
    : fc.integer({ min: 0, max: 2 ** bits - 1 });
}
