/** Every reason for which a packet is dropped, and the counters of the engine. */
import { Counters } from '../../base/counters.ts';
import type { DropReason } from '../../engine/engine.ts';

const drop = <const N extends string>(name: N, text: string, section: string): DropReason & { readonly name: N } => ({
  name,
  text,
  section: `IBTA ${section}`,
});

export const DROPS = [
  drop('icrc', 'the checksum over the packet does not fit', 'vol. 1 §7.8.1'),
  drop('trimmed', 'a switch cut the payload off', 'annex A17'),
  drop('short', 'shorter than the headers that its opcode announces', 'vol. 1 §9.6.1.1'),
  drop('version', 'a version of the transport headers other than 0', 'vol. 1 §9.6.1.1'),
  drop('opcode', 'reserved or unsupported opcode', 'vol. 1 §9.6.1.1'),
  drop('length', 'payload or padding that its kind cannot have', 'vol. 1 §9.6.1.1'),
  drop('pkey', 'from another partition', 'vol. 1 §9.6.1.1.3'),
  drop('qp', 'for a queue pair that there is not', 'vol. 1 §9.6.1.1.1'),
  drop('service', 'an opcode of another transport service than the queue pair has', 'vol. 1 §9.6.1.1.1'),
  drop('path', 'from another than the peer of the queue pair', 'vol. 1 §9.6.1.5'),
  drop('qkey', 'a datagram with another queue key than the queue pair has', 'vol. 1 §9.6.1.4'),
  drop('state', 'for a queue pair that has failed', 'vol. 1 §10.3.1'),
  drop('sequence', 'a request from the future: one before it is missing', 'vol. 1 §9.7.5.1.3'),
  drop('duplicate', 'a request from the past: acknowledged again, not done again', 'vol. 1 §9.7.5.1.4'),
  drop('refused', 'a request that is answered with a NAK and ends the queue pair', 'vol. 1 §9.7.5.2'),
  drop('no_receive', 'no receive is posted: answered with an RNR NAK where the kind has one', 'vol. 1 §9.7.5.2.8'),
  drop('no_resource', 'no room to remember what must be answered', 'vol. 1 §9.7.5.1.6'),
  drop('message', 'part of a message that cannot be completed any more', 'vol. 1 §9.8.2'),
  drop('stale', 'an answer to what was answered before', 'vol. 1 §9.7.5.1.2'),
  drop('ack_range', 'an answer to what was never asked', 'vol. 1 §9.7.5.1.2'),
  drop('response', 'data of a READ that comes out of order or fits no request', 'vol. 1 §9.7.5.1.5'),
  drop('cnp', 'a congestion notification for a queue pair without a peer', 'annex A17'),
] as const satisfies readonly DropReason[];

const EVENTS = [
  'sent_packets',
  'received_packets',
  'sent_requests',
  'received_requests',
  'received_responses',
  'sent_responses',
  'sent_acks',
  'sent_naks',
  'sent_rnr_naks',
  'sent_cnps',
  'received_acks',
  'received_naks',
  'received_rnr_naks',
  'received_cnps',
  'marked_packets',
  'retransmitted_packets',
  'timeouts',
  'sequence_naks',
  'missing_responses',
  'duplicate_reads',
  'duplicate_atomics',
  'messages_sent',
  'messages_received',
  'outbox_full',
] as const;

export type EventName = (typeof EVENTS)[number];
export type DropName = (typeof DROPS)[number]['name'];

export const createCounters = (): Counters => new Counters([...EVENTS, ...DROPS.map(({ name }) => `dropped_${name}`)]);

/** Position of each event counter. */
export const EVENT = Object.fromEntries(EVENTS.map((name, i) => [name, i])) as Readonly<Record<EventName, number>>;
/** Position of each drop counter. */
export const DROP = Object.fromEntries(DROPS.map(({ name }, i) => [name, EVENTS.length + i])) as Readonly<
  Record<DropName, number>
>;
