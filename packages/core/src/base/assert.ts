/** A broken invariant: a bug in this library, never a bad packet or a wrong call. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new InvariantError(text);
}
