import { give, maybe, method, need, object } from '../schema.ts';

/** @spec rdma-core 19.1 */
export const RESOURCE = object({
  id: 0x102,
  name: 'RESOURCE',
  text: 'Objects of all programs, as tools see them.',
  plural: 'resources',
  short: 'resource',
  methods: {
    CENSUS: method(0, 'How many there are of each kind, and of protocol state.', {
      device: need.text(0, 'name or index', 64),
      counts: give.row(1, 'name and count'),
    }),
    SHOW: method(1, 'Lists objects, in parts: what dies meanwhile is left out, what is there throughout comes once.', {
      device: maybe(need.text(0, 'name or index; every device when left out', 64)),
      kind: maybe(need.text(1, 'pd, mr, cq, qp, ... or pdc; every kind when left out', 32)),
      filter: maybe(need.row(2, 'only rows with these values; numbers also as `0-6` and `1,4,9`')),
      after: maybe(need.text(3, 'where the part before ended', 128)),
      rows: give.rows(4, 'one object each'),
      next: give.text(5, 'where to go on; empty at the end'),
    }),
    SUMMARY: method(2, 'Counts for each device and kind, with the most that there can be.', {
      device: maybe(need.text(0, 'name or index; every device when left out', 64)),
      rows: give.rows(1, 'ifindex, dev, then the count of each kind by its short name, and its maximum as max_KIND'),
    }),
  },
});
