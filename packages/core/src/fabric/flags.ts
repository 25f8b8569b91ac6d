/** What an operation is, as bits with the numbers that libfabric gives them. @spec uet:ses/7 */
export const OperationFlag = {
  MSG: 1 << 1,
  RMA: 1 << 2,
  TAGGED: 1 << 3,
  ATOMIC: 1 << 4,
  READ: 1 << 8,
  WRITE: 1 << 9,
  RECV: 1 << 10,
  SEND: 1 << 11,
  /** The peer wrote, and sent data with it. */
  REMOTE_WRITE: 1 << 13,
  /** A receive for many messages is used up. */
  MULTI_RECV: 1 << 16,
  /** Data came beside the message. */
  REMOTE_CQ_DATA: 1 << 17,
  /** A look at what waits, and whether it was reserved. */
  PEEK: 1 << 19,
} as const;

const NAMES = Object.entries(OperationFlag) as [keyof typeof OperationFlag, number][];

/** The names of bits, in the order of their numbers. */
export const flagNames = (flags: number): (keyof typeof OperationFlag)[] =>
  NAMES.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
