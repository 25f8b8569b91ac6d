import { MEMORY } from '../layouts.ts';
import { give, maybe, method, need, object } from '../schema.ts';

/** @spec verbs/1.5 */
export const CQ = object({
  id: 3,
  name: 'CQ',
  text: 'Completion queue: where results appear.',
  plural: 'completion_queues',
  short: 'cq',
  methods: {
    CREATE: method(0, 'Makes a completion queue.', {
      ring: maybe(need.struct(0, 'memory of the ring; devices with rings of another kind take none', MEMORY)),
      entries: need.u32(1, 'a power of two'),
      channel: maybe(need.read(2, 'COMP_CHANNEL', 'channel that is told of news')),
      events: maybe(need.read(3, 'ASYNC_EVENT', 'event file for its events; the default one when left out')),
      handle: give.handle(4, 'CQ', 'the queue'),
      wake: give.u32(5, 'what is woken when it is armed and has news'),
    }),
    DESTROY: method(
      1,
      'Ends it; refused while a queue uses it.',
      {
        handle: need.destroy(0, 'CQ', 'the queue'),
      },
      { shell: true },
    ),
    MODIFY: method(2, 'Moderation: how many completions, or how long, before the program is woken.', {
      handle: need.write(0, 'CQ', 'the queue'),
      count: need.u32(1, 'completions; 0 or 1 wakes for each', 65_535),
      periodUs: need.u32(2, 'longest delay, µs; 0 for none', 65_535),
    }),
    RESIZE: method(3, 'Moves the queue to another ring; what was not taken moves along.', {
      handle: need.write(0, 'CQ', 'the queue'),
      ring: need.struct(1, 'memory of the new ring', MEMORY),
      entries: need.u32(2, 'a power of two'),
      consumed: need.u32(3, 'index up to which the program has taken entries'),
      produced: give.u32(4, 'index of the newest entry in the new ring'),
    }),
    QUERY: method(4, 'State of the queue.', {
      handle: need.read(0, 'CQ', 'the queue'),
      attributes: give.row(1, 'entries, failed, moderation'),
    }),
  },
});
