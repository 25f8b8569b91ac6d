import { MEMORY } from '../layouts.ts';
import { give, maybe, method, need, object } from '../schema.ts';

/** @spec verbs/1.6 */
export const SRQ = object({
  id: 5,
  name: 'SRQ',
  text: 'Shared receive queue: receives that many queue pairs take from.',
  plural: 'shared_receive_queues',
  short: 'srq',
  methods: {
    CREATE: method(0, 'Makes a shared receive queue.', {
      pd: need.read(0, 'PD', 'protection domain'),
      ring: need.struct(1, 'memory of the ring', MEMORY),
      entries: need.u32(2, 'a power of two'),
      events: maybe(need.read(3, 'ASYNC_EVENT', 'event file for its events')),
      handle: give.handle(4, 'SRQ', 'the queue'),
      slot: give.u32(5, 'its number on the doorbell page'),
    }),
    MODIFY: method(1, 'Arms the limit event, once: fewer receives than this are left.', {
      handle: need.write(0, 'SRQ', 'the queue'),
      limit: need.u32(1, 'receives; 0 disarms'),
    }),
    QUERY: method(2, 'State of the queue.', {
      handle: need.read(0, 'SRQ', 'the queue'),
      attributes: give.row(1, 'entries, limit'),
    }),
    DESTROY: method(
      3,
      'Ends it; refused while a queue pair uses it.',
      {
        handle: need.destroy(0, 'SRQ', 'the queue'),
      },
      { shell: true },
    ),
  },
});
