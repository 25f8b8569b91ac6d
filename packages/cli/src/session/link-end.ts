/** One end of a link as messages carry it. */
import { refusal } from '../failure.ts';
import type { LinkEnd } from './link.ts';
import { isBody, isCount } from './session.ts';

/** Reads what a peer says of its end. @throws VerbsError EINVAL it says nonsense */
export function parseEnd(value: unknown): LinkEnd {
  const { qpn, psn, mtu } = isBody(value) ? value : {};
  if (isBelow(qpn, 2 ** 32) && isBelow(psn, 2 ** 24) && isBelow(mtu, MAX_MTU) && mtu > 0) return { qpn, psn, mtu };
  throw refusal('EINVAL', 'connect', 'the other side does not say which queue pair it has');
}

function isBelow(value: unknown, limit: number): value is number {
  return isCount(value) && value < limit;
}

const MAX_MTU = 2 ** 17;
