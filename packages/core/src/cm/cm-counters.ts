/** What the machine of the connection manager counts, and why it drops messages. */

export const CM_DROPS = [
  { name: 'notAMad', text: 'not a management datagram of 256 bytes', section: 'IBTA vol. 1 §13.4.2' },
  { name: 'otherClass', text: 'not for the connection manager, or another version', section: 'IBTA vol. 1 §12.6' },
  { name: 'unknownMessage', text: 'no message that is understood', section: 'IBTA vol. 1 §12.6' },
  { name: 'unknownConnection', text: 'the numbers fit no connection', section: 'IBTA vol. 1 §12.9' },
  {
    name: 'otherPeer',
    text: 'comes from another address than the peer of the connection',
    section: 'IBTA vol. 1 §12.9',
  },
  {
    name: 'wrongQueuePair',
    text: 'names a queue pair that the connection does not have',
    section: 'IBTA vol. 1 §12.6.10',
  },
  { name: 'wrongState', text: 'not acceptable in the state of the connection', section: 'IBTA vol. 1 §12.9.7' },
  { name: 'outboxFull', text: 'too many messages wait to leave', section: '' },
] as const;

/** Name of a reason. */
export type CmDrop = (typeof CM_DROPS)[number]['name'];

const KINDS = ['REQ', 'REP', 'RTU', 'REJ', 'MRA', 'DREQ', 'DREP'] as const;

/** Names of all counters. */
export const CM_COUNTERS = [
  ...KINDS.map((kind) => `sent_${kind}` as const),
  ...KINDS.map((kind) => `received_${kind}` as const),
  'repeated',
  'timeouts',
  'duplicates',
  'refused_requests',
  ...CM_DROPS.map(({ name }) => `dropped_${name}` as const),
] as const;
