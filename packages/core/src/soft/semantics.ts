/** What kinds of queue pair promise on a link, and how programs give promises up. @spec verbs/5.9 */
import { VerbsError } from '../base/verbs-error.ts';
import type { QpKind } from '../device/qp-transitions.ts';
import { QP_TYPES } from '../uapi/objects/qp.ts';
import type { Cell, Row } from '../uapi/rows.ts';
import type { Link } from './link.ts';

/** The kind of a number. @throws VerbsError EOPNOTSUPP the transport lacks it */
export function kindOf(call: string, { transport }: Link, type: number): QpKind {
  const name = Object.entries(QP_TYPES).find(([, value]) => value === type)?.[0] ?? '';
  if (transport.attributes.queuePairTypes.includes(name)) return name as QpKind;
  throw new VerbsError('EOPNOTSUPP', call, `${transport.name} has no queue pairs of type ${name}`, {
    try: transport.attributes.queuePairTypes.join(', '),
  });
}

/**
 * What a kind of queue pair promises: a list is a set of promises, a number the largest value for which one holds.
 *
 * @throws VerbsError EOPNOTSUPP the transport lacks the kind
 */
export function semanticsOf(call: string, link: Link, type: number): Row {
  kindOf(call, link, type);
  const { ordering, limits, immediateBits } = link.transport.attributes;
  return {
    msg_order: ordering,
    max_rdma_raw_size: 0,
    max_rdma_war_size: 0,
    max_rdma_waw_size: ordering.includes('ordered') ? limits.maxMessageBytes : 0,
    max_pdu: link.payloadMtu,
    imm_data_bits: immediateBits,
    usage: ['ATTACH_MR'],
  };
}

/** @throws VerbsError EOPNOTSUPP the transport cannot · EINVAL order and repetition exclude each other */
export function checkIdempotent(call: string, { transport }: Link, ordered: boolean): void {
  if (transport.attributes.idempotent !== true) {
    throw new VerbsError('EOPNOTSUPP', call, `${transport.name} executes every request once, and has no other way`, {
      try: 'the queue pair without the flag IDEMPOTENT',
    });
  }
  if (!ordered) return;
  throw new VerbsError('EINVAL', call, 'what may be executed again cannot be kept in order', {
    given: 'flags ORDERED and IDEMPOTENT',
    try: 'one of the two',
  });
}

/** @throws VerbsError EOPNOTSUPP the transport has no tags · EINVAL receives of a shared queue belong to nobody yet */
export function checkMatching(call: string, { transport }: Link, isShared: boolean): void {
  if (!transport.attributes.operations.includes('tagged')) {
    throw new VerbsError('EOPNOTSUPP', call, `${transport.name} has no messages with tags`, {
      try: 'the queue pair without the flag MATCHING',
    });
  }
  if (!isShared) return;
  throw new VerbsError('EINVAL', call, 'a shared receive queue gives receives out in turn, and does not match', {
    given: 'flag MATCHING and `srq`',
    try: 'the queue pair without `srq`',
  });
}

/**
 * The promises of a new queue pair: all, or those that the program asks for. A program can only ask for less.
 *
 * @throws VerbsError EINVAL more than is offered, a promise that does not exist, or one that `ordered` needs is given up
 */
export function chooseSemantics(call: string, link: Link, type: number, asked: Row | undefined, ordered: boolean): Row {
  const offered = semanticsOf(call, link, type);
  for (const [name, value] of Object.entries(asked ?? {})) {
    const offer = offered[name];
    if (offer !== undefined && isWithin(value, offer)) continue;
    throw new VerbsError('EINVAL', call, `the queue pair cannot promise ${name} = ${String(value)}`, {
      given: `${name}: ${String(value)}`,
      try: offer === undefined ? Object.keys(offered).join(', ') : `${name}: ${String(offer)}, or less`,
      see: 'DEVICE.QUERY_QP_SEMANTICS',
    });
  }
  const chosen = { ...offered, ...asked };
  const { msg_order: order } = chosen;
  if (ordered && Array.isArray(order) && !order.includes('ordered')) {
    throw new VerbsError('EINVAL', call, 'the flag ORDERED asks for what `semantics` gives up', {
      given: `msg_order: ${order.join(', ')}`,
      try: "msg_order with 'ordered', or without the flag",
    });
  }
  return chosen;
}

function isWithin(value: Cell, offer: Cell): boolean {
  if (typeof offer === 'number') return typeof value === 'number' && value >= 0 && value <= offer;
  if (Array.isArray(offer)) return Array.isArray(value) && value.every((one) => offer.includes(one));
  return value === offer || value === false;
}
