import { give, maybe, method, need, object } from '../schema.ts';

/** @spec verbs/1.5 · rdma-core 20 */
export const COMP_CNTR = object({
  id: 19,
  name: 'COMP_CNTR',
  text: 'Completion counter: successes and errors as two numbers.',
  plural: 'completion_counters',
  short: 'counter',
  methods: {
    CREATE: method(0, 'Makes a counter.', {
      unit: maybe(need.choice(0, 'what is counted; requests when left out', { REQUESTS: 0, BYTES: 1 })),
      handle: give.handle(1, 'COMP_CNTR', 'the counter'),
    }),
    DESTROY: method(
      1,
      'Ends it; refused while a queue pair counts in it.',
      {
        handle: need.destroy(0, 'COMP_CNTR', 'the counter'),
      },
      { shell: true },
    ),
    READ: method(2, 'Reads it.', {
      handle: need.read(0, 'COMP_CNTR', 'the counter'),
      successes: give.size(1, 'requests or bytes that went well'),
      errors: give.size(2, 'requests that failed'),
    }),
    MODIFY: method(3, 'Sets it, or adds to it.', {
      handle: need.write(0, 'COMP_CNTR', 'the counter'),
      successes: maybe(need.size(1, 'new value, or what is added')),
      errors: maybe(need.size(2, 'new value, or what is added')),
      add: maybe(need.u32(3, '1: add instead of set', 1)),
    }),
  },
});
