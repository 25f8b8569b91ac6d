/** Keeps a queue pair to the rate of its congestion control: each packet pays for the time that it takes at that rate. */
import type { Packet } from '../../engine/packet.ts';
import type { Nanos } from '../../engine/time.ts';
import type { Core } from './core.ts';
import type { QueuePair } from './queue-pair.ts';

/** Whether nothing may leave now; the queue pair is woken when something may. */
export function mustWait(core: Core, now: Nanos, qp: QueuePair): boolean {
  const { cc, paidUntil } = qp.requester;
  if (!cc.isLimited || paidUntil - SLACK <= now) return false;
  core.wake(qp, paidUntil - SLACK);
  return true;
}

/** A packet leaves. */
export function pay(now: Nanos, { requester: tx }: QueuePair, out: Packet): void {
  if (!tx.cc.isLimited) return;
  const bytes = out.length + out.payloadLength() + UNDERNEATH;
  tx.cc.onSent(bytes);
  tx.paidUntil = Math.max(tx.paidUntil, now) + (bytes / tx.cc.rate(now)) * NANOS_PER_SECOND;
}

/** A queue pair may be ahead of its rate by so much: timers are not exact, and bursts are cheaper. */
const SLACK: Nanos = 50_000;
/** Ethernet, IP, UDP and checksum, bytes. */
const UNDERNEATH = 66;
const NANOS_PER_SECOND = 1e9;
