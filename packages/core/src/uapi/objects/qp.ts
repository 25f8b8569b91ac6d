import { ADDRESS, MEMORY } from '../layouts.ts';
import { give, maybe, method, need, object } from '../schema.ts';

/** Kinds of queue pair; which protocol carries them is another choice. @spec verbs/1.7 */
export const QP_TYPES = { GSI: 1, RC: 2, UC: 3, UD: 4, RU: 11, DRIVER: 0xff } as const;
export type QpType = keyof typeof QP_TYPES;

/** @spec verbs/2.1 */
export const QP_STATES = { RESET: 0, INIT: 1, RTR: 2, RTS: 3, SQD: 4, SQE: 5, ERR: 6 } as const;
export type QpState = keyof typeof QP_STATES;

/** @spec verbs/1 · verbs/2 · verbs/5.8 */
export const QP = object({
  id: 4,
  name: 'QP',
  text: 'Queue pair: where work is posted. Its kind says how it behaves, its address entry which protocol carries it.',
  plural: 'queue_pairs',
  short: 'qp',
  methods: {
    CREATE: method(0, 'Makes a queue pair.', {
      pd: maybe(need.read(0, 'PD', 'protection domain; devices without protection domains take none')),
      type: need.choice(1, 'kind', QP_TYPES),
      sendCq: maybe(need.read(2, 'CQ', 'where sends complete')),
      recvCq: maybe(need.read(3, 'CQ', 'where receives complete')),
      srq: maybe(need.read(4, 'SRQ', 'takes receives from here instead of from a ring of its own')),
      jobKey: maybe(need.read(5, 'JKEY', 'job that it works for')),
      qpn: maybe(need.u32(6, 'number that peers use; chosen by the device when left out')),
      sourceId: maybe(need.u32(7, 'identity shown to peers; the number when left out')),
      sgidIndex: maybe(need.u32(8, 'address entry, and so the protocol; the first when left out')),
      flags: maybe(need.flags(9, 'how it behaves', { ORDERED: 1, SIGNAL_ALL: 2, IDEMPOTENT: 4, MATCHING: 8 })),
      sendRing: maybe(need.struct(10, 'memory of the send ring', MEMORY)),
      sendEntries: maybe(need.u32(11, 'a power of two')),
      receiveRing: maybe(need.struct(12, 'memory of the receive ring', MEMORY)),
      receiveEntries: maybe(need.u32(13, 'a power of two')),
      hints: maybe(need.hints(14, 'wishes that a device may ignore', { LOW_LATENCY: 1, HIGH_BANDWIDTH: 2 })),
      semantics: maybe(need.row(15, 'promises to keep, of those that QUERY_QP_SEMANTICS offers; others are given up')),
      events: maybe(need.read(16, 'ASYNC_EVENT', 'event file for its events; the default one when left out')),
      handle: give.handle(17, 'QP', 'the queue pair'),
      qpnGiven: give.u32(18, 'its number'),
      slot: give.u32(19, 'its number on the doorbell page'),
      sourceIdGiven: give.u32(20, 'identity shown to peers'),
      state: give.u32(21, 'state that it was made in'),
      domain: maybe(
        need.u32(
          22,
          'secure domain that protects its packets; the usual one of the address entry when left out',
          0xff_ffff,
        ),
      ),
    }),
    DESTROY: method(
      1,
      'Ends it. What is outstanding is flushed.',
      {
        handle: need.destroy(0, 'QP', 'the queue pair'),
      },
      { shell: true },
    ),
    MODIFY: method(2, 'Moves it to a state, with the attributes that the transition needs.', {
      handle: need.write(0, 'QP', 'the queue pair'),
      state: maybe(need.choice(1, 'where to', QP_STATES)),
      currentState: maybe(need.choice(2, 'where it is thought to be', QP_STATES)),
      accessFlags: maybe(need.u32(3, 'operations that peers may do')),
      pkeyIndex: maybe(need.u32(4, 'partition key index')),
      port: maybe(need.u32(5, 'port')),
      qkey: maybe(need.u32(6, 'queue key')),
      address: maybe(need.struct(7, 'the peer (AV)', ADDRESS)),
      pathMtu: maybe(need.u32(8, 'code 1 to 5: 256 to 4096 bytes')),
      timeout: maybe(need.u32(9, '4.096 µs · 2^n; 0 for never', 31)),
      retryCount: maybe(need.u32(10, 'retries', 7)),
      rnrRetry: maybe(need.u32(11, 'retries when the peer has no receive; 7 for ever', 7)),
      rqPsn: maybe(need.u32(12, 'first PSN to expect', 0xff_ffff)),
      maxRdAtomic: maybe(need.u32(13, 'reads and atomics under way as requester')),
      minRnrTimer: maybe(need.u32(14, 'code of the least wait that peers are told', 31)),
      sqPsn: maybe(need.u32(15, 'first PSN to send', 0xff_ffff)),
      maxDestRdAtomic: maybe(need.u32(16, 'reads and atomics under way as responder')),
      destQpn: maybe(need.u32(17, 'queue pair of the peer')),
      sqdNotify: maybe(need.u32(18, '1: raise SQ_DRAINED', 1)),
      stateGiven: give.u32(19, 'state afterwards'),
    }),
    QUERY: method(3, 'State and attributes.', {
      handle: need.read(0, 'QP', 'the queue pair'),
      attributes: give.row(1, 'name and value of each'),
    }),
    ATTACH_MR: method(4, 'Lets peers reach a region through this queue pair only.', {
      handle: need.write(0, 'QP', 'the queue pair'),
      region: need.read(1, 'MR', 'the region'),
    }),
    DETACH_MR: method(5, 'Undoes ATTACH_MR; peers reach the region no more.', {
      handle: need.write(0, 'QP', 'the queue pair'),
      region: need.read(1, 'MR', 'the region'),
    }),
    ATTACH_COMP_CNTR: method(6, 'Counts completions of some operations in a counter.', {
      handle: need.write(0, 'QP', 'the queue pair'),
      counter: need.read(1, 'COMP_CNTR', 'the counter'),
      operations: need.flags(2, 'which', { SEND: 1, RECV: 2, RDMA_READ: 4, RDMA_WRITE: 16 }),
    }),
  },
});
