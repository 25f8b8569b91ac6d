/** Every reason for which a packet is dropped without an effect, and the counters of the engine. */
import type { DropReason } from '../../engine/engine.ts';
import { drop, eventCounters } from '../../engine/event-counters.ts';
import { SECURITY_DROPS } from './tss/reasons.ts';

export const DROPS = [
  drop(
    'short',
    'shorter than the header that its type announces',
    'uet:pds/2.18',
    'capture the traffic and decode it; something else may send to this port',
  ),
  drop(
    'damaged',
    'the CRC does not fit',
    'uet:pds/1.7',
    'set `crc` alike at both ends; otherwise the link damages packets',
  ),
  drop(
    'type',
    'reserved or unsupported packet type',
    'uet:pds/2.2',
    'capture the traffic and decode it; something else may send to this port',
  ),
  drop(
    'secured',
    'a secured packet on an endpoint without security',
    'uet:pds/1.6',
    'give this endpoint the keys, or take them from the peer',
  ),
  drop('trimmed', 'trimmed packet that cannot be answered', 'uet:pds/5.5'),
  drop('pdcid_zero', 'the source names no delivery context of its own', 'uet:pds/2.18'),
  drop('unknown_pdc', 'acknowledgement, NACK or probe for an unknown delivery context', 'uet:pds/2.18'),
  drop(
    'peer_mismatch',
    'the packet comes from another peer than the delivery context',
    'uet:pds/2.12',
    'two peers behind one address translator, or somebody forges packets',
  ),
  drop('pdc_mismatch', 'the peer context does not fit', 'uet:pds/2.18'),
  drop('state', 'not acceptable in the state of the delivery context', 'uet:pds/2.13'),
  drop('ack_range', 'acknowledges what was never sent', 'uet:pds/4.7'),
  drop('nack_range', 'refuses what is not outstanding', 'uet:pds/2.12'),
  drop('nack_code', 'NACK code that asks for nothing', 'uet:pds/2.12'),
  drop(
    'duplicate',
    'arrived before; acknowledged again, not delivered again',
    'uet:pds/4.8',
    'harmless in small numbers; many of them say that time-outs are too short',
  ),
  drop('window', 'outside the receive window', 'uet:pds/4.3', 'compare windowPackets of both ends'),
  drop(
    'out_of_order',
    'ahead of its turn on an ordered context',
    'uet:pds/5.4',
    'the link reorders: use unordered queue pairs where the program can',
  ),
  drop('syn', 'start that cannot be accepted', 'uet:pds/3.4'),
  drop(
    'unproven',
    'start of a peer that must first show that it hears this endpoint',
    'uet:pds/3.6',
    'harmless: honest peers start again; raise maxUnproven if many start at a time',
  ),
  drop(
    'no_context',
    'no delivery context free',
    'uet:pds/3.4',
    'raise maxContexts or maxTargetContextsPerPeer, or use fewer peers at a time',
  ),
  drop(
    'no_resource',
    'no room for its message, answer or response',
    'uet:pds/4.3',
    'raise maxInboundMessages or maxInboundPerPeer, or have fewer messages on the way',
  ),
  drop('next_header', 'semantic header that does not fit the type, or is cut short', 'uet:pds/2.18'),
  drop('closing', 'new work on a context that is closing or closed', 'uet:pds/3.7', 'harmless: the peer starts anew'),
  drop('rudi', 'answer to no idempotent request that is out', 'uet:pds/6.1'),
  drop(
    'datagram',
    'datagram that fits no queue pair or receive here',
    'uet:pds/6.2',
    'compare the queue pair number and the size with the receiver',
  ),
  drop('qkey', 'datagram with another queue key', 'uet:pds/6.2', 'give both ends the same queue key'),
  drop('no_receive', 'datagram without a receive', 'uet:pds/6.2', 'post more receives: nothing repeats a datagram'),
  drop('response', 'response that fits no message', 'uet:ses/8'),
  drop('control', 'unknown or unexpected control packet', 'uet:pds/2.13'),
  ...SECURITY_DROPS,
] as const satisfies readonly DropReason[];

const EVENTS = [
  'sent_packets',
  'received_packets',
  'sent_requests',
  'received_requests',
  'sent_acks',
  'received_acks',
  'received_controls',
  'sent_nacks',
  'received_nacks',
  'retransmitted_packets',
  'timeouts',
  'probes',
  'lost_packets',
  'marks',
  'contexts_opened',
  'contexts_accepted',
  'contexts_closed',
  'contexts_failed',
  'messages_sent',
  'messages_received',
  'refused_requests',
  'idempotent_requests',
  'unsafe_requests',
  'rnr_retries',
  'deferred_sends',
  'unexpected_messages',
  'unexpected_refused',
  'outbox_full',
] as const;

export type DropName = (typeof DROPS)[number]['name'];

export const { create: createCounters, event: EVENT, drop: DROP } = eventCounters(EVENTS, DROPS);
