import { give, maybe, method, need, object } from '../schema.ts';

/** @spec rdma-core 17 · rdma-core 19.2 · rdma-core 19.3 */
export const DEV = object({
  id: 0x100,
  name: 'DEV',
  text: 'Devices, as an administrator sees them.',
  plural: 'devices',
  short: 'dev',
  methods: {
    SHOW: method(0, 'What devices there are, and what they say about themselves.', {
      device: maybe(need.text(0, 'name or index; every device when left out', 64)),
      rows: give.rows(1, 'ifindex, dev, driver, transports, state, netns, contexts, and attributes'),
    }),
    SET: method(
      1,
      'Changes a device: its name, the namespace that it belongs to, or both.',
      {
        device: need.text(0, 'name or index', 64),
        name: maybe(need.text(1, 'another name', 64)),
        netns: maybe(need.text(2, 'namespace to move to; programs lose the device as if it was unplugged', 128)),
      },
      { right: 'admin' },
    ),
    RESET: method(
      2,
      'Starts a device anew: its queue pairs fail, contexts stay.',
      { device: need.text(0, 'name or index', 64) },
      { right: 'admin' },
    ),
    DELETE: method(
      3,
      'Takes a device away, whoever uses it.',
      { device: need.text(0, 'name or index', 64) },
      { right: 'admin' },
    ),
    ADD: method(
      4,
      'Adds a device while the system runs, where its host can do that.',
      {
        options: need.row(0, 'name (%d in it is the lowest free number), address, type, and what else the host knows'),
        ifindex: give.u32(1, 'index of the device'),
      },
      { right: 'admin' },
    ),
  },
});
