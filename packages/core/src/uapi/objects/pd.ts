import { give, method, need, object } from '../schema.ts';

/** @spec rdma-core 21 · verbs/1.2 */
export const PD = object({
  id: 1,
  name: 'PD',
  text: 'Protection domain: memory, queues, addresses and job keys of one domain work together, and with nothing else.',
  plural: 'protection_domains',
  short: 'pd',
  methods: {
    ALLOC: method(0, 'Makes a protection domain.', { handle: give.handle(0, 'PD', 'the domain') }),
    DEALLOC: method(
      1,
      'Ends it; refused while something is made from it.',
      {
        handle: need.destroy(0, 'PD', 'the domain'),
      },
      { shell: true },
    ),
  },
});
