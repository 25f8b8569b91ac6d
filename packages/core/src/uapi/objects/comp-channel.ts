import { give, method, need, object } from '../schema.ts';

/** @spec rdma-core 12 · verbs/1.5 */
export const COMP_CHANNEL = object({
  id: 2,
  name: 'COMP_CHANNEL',
  text: 'Completion channel: one place to wait for many completion queues.',
  plural: 'completion_channels',
  short: 'channel',
  methods: {
    CREATE: method(0, 'Makes a channel.', {
      handle: give.handle(0, 'COMP_CHANNEL', 'the channel'),
      wake: give.u32(1, 'what is woken when a queue of the channel has news'),
    }),
    READ: method(1, 'Takes events: handles of the queues that have news.', {
      handle: need.read(0, 'COMP_CHANNEL', 'the channel'),
      queues: give.numbers(1, 'handles of completion queues', 64),
    }),
    DESTROY: method(
      2,
      'Ends it; refused while a completion queue refers to it.',
      {
        handle: need.destroy(0, 'COMP_CHANNEL', 'the channel'),
      },
      { shell: true },
    ),
  },
});
