import { give, maybe, method, need, object } from '../schema.ts';

/** @spec rdma-core 12 · verbs/6 */
export const ASYNC_EVENT = object({
  id: 16,
  name: 'ASYNC_EVENT',
  text: 'Event file: what happens to the objects of a context, and to its device. Every context has one from the start.',
  plural: 'event_files',
  short: 'events',
  methods: {
    ALLOC: method(0, 'Makes another event file.', {
      handle: give.handle(0, 'ASYNC_EVENT', 'the event file'),
      wake: give.u32(1, 'what is woken when an event comes'),
    }),
    READ: method(
      1,
      'Takes events, oldest first; with none, the next one wakes.',
      {
        handle: maybe(need.u32(0, 'the event file, also of a device that is gone; the default one when left out')),
        events: give.numbers(1, 'pairs of event number and handle of the object (or number of the port)', 128),
        end: give.u32(2, '1: the device is gone, and no more will come'),
      },
      { shell: true },
    ),
    FREE: method(
      2,
      'Ends it; refused while an object reports to it.',
      {
        handle: need.destroy(0, 'ASYNC_EVENT', 'the event file'),
      },
      { shell: true },
    ),
  },
});
