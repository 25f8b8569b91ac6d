import { give, maybe, method, need, object } from '../schema.ts';

/** @spec rdma-core 20 */
export const STATISTIC = object({
  id: 0x103,
  name: 'STATISTIC',
  text: 'What devices count.',
  plural: 'statistics',
  short: 'statistic',
  methods: {
    SHOW: method(0, 'Counters of a device. They never fall: what was destroyed stays counted.', {
      device: need.text(0, 'name or index', 64),
      counters: give.row(1, 'name and value of each'),
    }),
    QP_SHOW: method(1, 'Counters of single queue pairs, in parts, where the driver keeps them.', {
      device: maybe(need.text(0, 'name or index; every device when left out', 64)),
      filter: maybe(need.row(1, 'only queue pairs with these values, as in RESOURCE.SHOW')),
      after: maybe(need.text(2, 'where the part before ended', 128)),
      rows: give.rows(3, 'one queue pair each: who it is, and its counters'),
      next: give.text(4, 'where to go on; empty at the end'),
    }),
  },
});
