import { give, maybe, method, need, object } from '../schema.ts';

/** @spec rdma-core 7 · rdma-core 19.3 */
export const LINK = object({
  id: 0x101,
  name: 'LINK',
  text: 'Ports of devices and their address entries.',
  plural: 'links',
  short: 'link',
  methods: {
    SHOW: method(0, 'One row for each port and address entry.', {
      device: maybe(need.text(0, 'name or index; every device when left out', 64)),
      port: maybe(need.u32(1, 'only this port', 255)),
      rows: give.rows(2, 'ifindex, dev, port, state, address, gid_index, type, udp_port, mtu, transports'),
    }),
  },
});
