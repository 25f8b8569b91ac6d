/** What both halves know: the driver's own attributes, and the words of queue entries. */
import { layout, schema } from '@verbena/core';

const { give, maybe, need } = schema;
const KIND = { compMask: 'u32', kind: 'u32', flags: 'u32', reserved: 'u32' } as const;

/** Send entries: address handle, queue pair, lkey, offset, length, id. Receive entries: lkey, offset, length, id. */
export const EFA_ATTRIBUTES = {
  'QP.CREATE': {
    efa: maybe(need.struct(0x1000, 'kind of queue pair', layout('efa_kind', 'kind of queue pair', KIND))),
    sends: give.size(0x1001, 'its send queue: an offset for DEVICE.MAP'),
    receives: give.size(0x1002, 'its receive queue: an offset for DEVICE.MAP'),
  },
  'CQ.CREATE': { queue: give.size(0x1000, 'its queue: an offset for DEVICE.MAP') },
};
export const SRD = 0;
/** First word of completions; then id, queue pair, length, peer's queue pair, and 1 for a receive. */
export const EfaStatus = { SUCCESS: 0, PROTECTION: 4, NOBODY: 10 } as const;
