/** What a message has more when it is an atomic. */
export class AtomicParts {
  /** First word of the extension; 0: it is none. */
  word = 0;
  /** Where the operands stand in wire order, or compare and swap value as in the extension. */
  region = 0;
  offset = 0;
  /** Bytes of payload. */
  payload = 0;
  /** Place for operands that are too long for that of inline data; -1: none. */
  slot = -1;
}
