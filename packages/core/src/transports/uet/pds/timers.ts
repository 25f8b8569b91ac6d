/** When a context must be looked at: each deadline is computed from what the context says, none is kept as an object. */
import { type Nanos, NEVER } from '../../../engine/time.ts';
import type { Settings } from '../attributes.ts';
import type { DeliveryContext } from './delivery-context.ts';
import { PdcState } from './states.ts';

/** Retransmission time-out without back-off. @spec uet:pds/5.1 */
export const rto = (settings: Settings, context: DeliveryContext): number =>
  Math.max(settings.rtoInit, 4 * context.srtt);

export const rtoDue = (settings: Settings, context: DeliveryContext): Nanos =>
  context.progressAt + Math.min(rto(settings, context) * 2 ** context.backoff, MAX_RTO);

/** Silence after which a probe asks. @spec uet:pds/5.3 */
export function tailDue({ tailLoss }: Settings, context: DeliveryContext): Nanos {
  if (tailLoss === 0 || context.probed || context.remoteId === 0 || context.tx.outstanding === 0) return NEVER;
  return context.progressAt + Math.max(tailLoss, 2 * context.srtt);
}

/** All is acknowledged, and yet what must come does not. */
export function stuckDue({ idleTime }: Settings, context: DeliveryContext): Nanos {
  if (context.tx.outstanding > 0 || context.retryHead >= 0 || context.resting) return NEVER;
  // packets that bring nothing do not count: a peer that only talks is as stuck as a silent one
  return Math.max(context.progressAt, context.servedAt) + Math.max(idleTime, STUCK_TIME);
}

/** The earliest deadline of a context. */
export function nextDue(now: Nanos, settings: Settings, context: DeliveryContext): Nanos {
  const { idleTime } = settings;
  const idle = context.lastActivity + idleTime;
  // idle, but not at rest: look again an idle time later
  let due = Math.min(idle > now ? idle : now + idleTime, stuckDue(settings, context));
  if (context.tx.outstanding > 0) due = Math.min(due, rtoDue(settings, context), tailDue(settings, context));
  if (context.ackWanted) due = Math.min(due, context.ackDue);
  due = Math.min(due, context.refusedUntil, context.clearDue, context.closeDue, context.proofDue);
  if (context.retryHead >= 0 && !(context.ordered && context.openMessages > 0)) due = Math.min(due, context.retryAt);
  if (context.state === PdcState.ACK_WAIT && context.closeAfter > now) due = Math.min(due, context.closeAfter);
  // a deadline that has passed and was not acted upon must not spin
  return Math.max(due, now + 1);
}

/** Least silence after which work that waits for the peer is given up. */
const STUCK_TIME: Nanos = 10_000_000_000;
const MAX_RTO: Nanos = 8_000_000_000;
