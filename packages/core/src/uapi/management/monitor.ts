import { give, method, object } from '../schema.ts';

/** @spec rdma-core 19.2 */
export const MONITOR = object({
  id: 0x106,
  name: 'MONITOR',
  text: 'Devices that come, go and change, as it happens.',
  plural: 'monitors',
  short: 'monitor',
  methods: {
    START: method(0, 'Begins watching; again does no harm.', {
      wake: give.u32(0, 'what is woken when there is something to read'),
    }),
    READ: method(1, 'Takes what has happened since.', {
      rows: give.rows(0, 'seq, event, ifindex, dev, netns, before; seq has gaps where events were lost'),
      lost: give.u32(1, 'events lost since the last read, because nobody read in time'),
    }),
    STOP: method(2, 'Ends watching.', {}),
  },
});

/** @spec rdma-core 19.2 */
export const TRACE = object({
  id: 0x107,
  name: 'TRACE',
  text: 'Requests and answers of the management channel, for debugging. Capabilities are not shown.',
  plural: 'traces',
  short: 'trace',
  methods: {
    START: method(
      0,
      'Begins tracing; again does no harm.',
      { wake: give.u32(0, 'what is woken when there is something to read') },
      { right: 'admin' },
    ),
    READ: method(
      1,
      'Takes what was traced since.',
      {
        rows: give.rows(0, 'seq, at_ns, pid, comm, call, request, answer or error, and their bytes'),
        lost: give.u32(1, 'calls lost since the last read, because nobody read in time'),
      },
      { right: 'admin' },
    ),
    STOP: method(2, 'Ends tracing.', {}),
  },
});
