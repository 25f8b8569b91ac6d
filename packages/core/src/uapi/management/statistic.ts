import { give, method, need, object } from '../schema.ts';

/** @spec rdma-core 20 */
export const STATISTIC = object({
  id: 0x103,
  name: 'STATISTIC',
  text: 'What devices count.',
  plural: 'statistics',
  short: 'statistic',
  methods: {
    SHOW: method(0, 'Counters of a device.', {
      device: need.text(0, 'name or index', 64),
      counters: give.row(1, 'name and value of each'),
    }),
  },
});
