/** Every reason for which a packet is dropped without an effect, and the counters of the engine. */
import { Counters } from '../../base/counters.ts';
import type { DropReason } from '../../engine/engine.ts';
import { SECURITY_DROPS } from './tss/reasons.ts';

const drop = <const N extends string>(name: N, text: string, section: string): DropReason & { readonly name: N } => ({
  name,
  text,
  section,
});

export const DROPS = [
  drop('short', 'shorter than the header that its type announces', 'uet:pds/2.18'),
  drop('damaged', 'the CRC does not fit', 'uet:pds/1.7'),
  drop('type', 'reserved or unsupported packet type', 'uet:pds/2.2'),
  drop('secured', 'a secured packet on an endpoint without security', 'uet:pds/1.6'),
  drop('trimmed', 'trimmed packet that cannot be answered', 'uet:pds/5.5'),
  drop('pdcid_zero', 'the source names no delivery context of its own', 'uet:pds/2.18'),
  drop('unknown_pdc', 'acknowledgement, NACK or probe for an unknown delivery context', 'uet:pds/2.18'),
  drop('peer_mismatch', 'the packet comes from another peer than the delivery context', 'uet:pds/2.12'),
  drop('pdc_mismatch', 'the peer context does not fit', 'uet:pds/2.18'),
  drop('state', 'not acceptable in the state of the delivery context', 'uet:pds/2.13'),
  drop('ack_range', 'acknowledges what was never sent', 'uet:pds/4.7'),
  drop('nack_range', 'refuses what is not outstanding', 'uet:pds/2.12'),
  drop('nack_code', 'NACK code that asks for nothing', 'uet:pds/2.12'),
  drop('duplicate', 'arrived before; acknowledged again, not delivered again', 'uet:pds/4.8'),
  drop('window', 'outside the receive window', 'uet:pds/4.3'),
  drop('out_of_order', 'ahead of its turn on an ordered context', 'uet:pds/5.4'),
  drop('syn', 'start that cannot be accepted', 'uet:pds/3.4'),
  drop('unproven', 'start of a peer that must first show that it hears this endpoint', 'uet:pds/3.6'),
  drop('no_context', 'no delivery context free', 'uet:pds/3.4'),
  drop('no_resource', 'no room for its message, answer or response', 'uet:pds/4.3'),
  drop('next_header', 'semantic header that does not fit the type, or is cut short', 'uet:pds/2.18'),
  drop('closing', 'new work on a context that is closing or closed', 'uet:pds/3.7'),
  drop('rudi', 'answer to no idempotent request that is out', 'uet:pds/6.1'),
  drop('datagram', 'datagram that fits no queue pair or receive here', 'uet:pds/6.2'),
  drop('qkey', 'datagram with another queue key', 'uet:pds/6.2'),
  drop('no_receive', 'datagram without a receive', 'uet:pds/6.2'),
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
  'rnr_retries',
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
