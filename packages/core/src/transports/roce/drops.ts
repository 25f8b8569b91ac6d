/** Every reason for which a packet is dropped, and the counters of the engine. */
import type { DropReason } from '../../engine/engine.ts';
import { eventCounters, drop as reason } from '../../engine/event-counters.ts';

const drop = <const N extends string>(name: N, text: string, section: string, advice?: string) =>
  reason(name, text, `IBTA ${section}`, advice);

export const DROPS = [
  drop(
    'icrc',
    'the checksum over the packet does not fit',
    'vol. 1 §7.8.1',
    'the link or an offload damages packets; compare the captures of both ends',
  ),
  drop('trimmed', 'a switch cut the payload off', 'annex A17'),
  drop(
    'short',
    'shorter than the headers that its opcode announces',
    'vol. 1 §9.6.1.1',
    'capture the traffic and decode it; something else may send to this port',
  ),
  drop('version', 'a version of the transport headers other than 0', 'vol. 1 §9.6.1.1'),
  drop(
    'opcode',
    'reserved or unsupported opcode',
    'vol. 1 §9.6.1.1',
    'capture the traffic and decode it; the peer uses what is not there',
  ),
  drop(
    'length',
    'payload or padding that its kind cannot have',
    'vol. 1 §9.6.1.1',
    'set the same path MTU at both ends',
  ),
  drop('pkey', 'from another partition', 'vol. 1 §9.6.1.1.3', 'set `pkey` alike at both ends'),
  drop(
    'qp',
    'for a queue pair that there is not',
    'vol. 1 §9.6.1.1.1',
    'the peer has an old or wrong queue pair number: exchange them again',
  ),
  drop(
    'service',
    'an opcode of another transport service than the queue pair has',
    'vol. 1 §9.6.1.1.1',
    'use the same kind of queue pair, RC or UC, at both ends',
  ),
  drop(
    'path',
    'from another than the peer of the queue pair',
    'vol. 1 §9.6.1.5',
    'two devices with one number, or somebody forges packets: compare address and GID index',
  ),
  drop(
    'qkey',
    'a datagram with another queue key than the queue pair has',
    'vol. 1 §9.6.1.4',
    'give both ends the same queue key',
  ),
  drop(
    'state',
    'for a queue pair that has failed',
    'vol. 1 §10.3.1',
    'read the completions, then reset both queue pairs',
  ),
  drop(
    'sequence',
    'a request from the future: one before it is missing',
    'vol. 1 §9.7.5.1.3',
    'packets are lost or overtaken on the way; it repairs itself',
  ),
  drop(
    'duplicate',
    'a request from the past: acknowledged again, not done again',
    'vol. 1 §9.7.5.1.4',
    'harmless in small numbers; many of them say that time-outs are too short',
  ),
  drop(
    'refused',
    'a request that is answered with a NAK and ends the queue pair',
    'vol. 1 §9.7.5.2',
    'the completion of the peer says why',
  ),
  drop(
    'no_receive',
    'no receive is posted: answered with an RNR NAK where the kind has one',
    'vol. 1 §9.7.5.2.8',
    'post more receives, or raise rnrRetry of the peer',
  ),
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

export type DropName = (typeof DROPS)[number]['name'];

export const { create: createCounters, event: EVENT, drop: DROP } = eventCounters(EVENTS, DROPS);
