/** Two queue pairs of an unreliable kind that reach each other, on the first two ends of a bed. */
import type { AddressHandle } from '../verbs/address-handle.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import type { Bed, End } from './bed.ts';
import { connect } from './connection.ts';

export interface UnreliablePair {
  readonly near: QueuePair;
  readonly far: QueuePair;
  /** What a request from the near to the far one says of where to. */
  readonly to: { readonly to?: AddressHandle };
}

/** Kinds that promise nothing. */
export const UNRELIABLE_KINDS = ['UD', 'UC'] as const;

export function unreliablePair(bed: Bed, kind: (typeof UNRELIABLE_KINDS)[number]): UnreliablePair {
  if (kind === 'UC') {
    const [near, far] = unreliablyConnected(bed);
    return { near, far, to: {} };
  }
  const [near, far] = [datagramQueuePair(bed.a), datagramQueuePair(bed.b)];
  return { near, far, to: { to: handleOf(bed.a, bed.b, far) } };
}

/** A queue pair for datagrams, ready. */
export function datagramQueuePair(end: End, qkey = QKEY): QueuePair {
  const qp = queuePair(end, 'UD');
  qp.modify({ state: 'INIT', pkeyIndex: 0, port: 1, qkey });
  qp.modify({ state: 'RTR' });
  qp.modify({ state: 'RTS', sqPsn: 77 });
  return qp;
}

/** Queue pairs of kind UC of the first two ends, connected. PSNs wrap soon. */
export function unreliablyConnected(bed: Bed): readonly [QueuePair, QueuePair] {
  const both = [queuePair(bed.a, 'UC'), queuePair(bed.b, 'UC')] as const;
  for (const [i, qp] of both.entries()) {
    const peer = bed.ends[1 - i]!;
    const psn = { sqPsn: 0xff_fff0 + i, rqPsn: 0xff_fff0 + 1 - i };
    connect(qp, { address: peer.node.address, qpn: both[1 - i]!.qpn, ...psn }, { payloadMtu: bed.mtu });
  }
  return both;
}

export const handleOf = (from: End, to: End, qp: QueuePair): AddressHandle =>
  from.pd.createAddressHandle({ address: to.node.address, qpn: qp.qpn });

const queuePair = ({ pd, sendCq, recvCq, jobKey }: End, type: 'UD' | 'UC'): QueuePair =>
  pd.createQueuePair({ type, sendCq, recvCq, jobKey, sendDepth: 256, receiveDepth: 256 });

const QKEY = 0x1111_1111;
