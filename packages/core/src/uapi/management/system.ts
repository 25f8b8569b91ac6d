import { give, maybe, method, need, object } from '../schema.ts';

export const NETNS_MODES = { SHARED: 0, EXCLUSIVE: 1 } as const;

/** @spec rdma-core 17 · rdma-core 18 · rdma-core 19.3 */
export const SYSTEM = object({
  id: 0x104,
  name: 'SYSTEM',
  text: 'What holds for all devices: namespaces, sessions of programs, resource groups.',
  plural: 'systems',
  short: 'system',
  methods: {
    SHOW: method(0, 'Modes, limits and versions.', {
      attributes: give.row(0, 'netns, version, namespaces, counts of devices, sessions and jobs, and their bounds'),
    }),
    SET: method(
      1,
      'Changes a mode.',
      { netns: need.choice(0, 'who sees devices: all namespaces, or their own only', NETNS_MODES) },
      { right: 'admin' },
    ),
    SESSIONS: method(2, 'The programs that are connected, in parts.', {
      after: maybe(need.text(0, 'where the part before ended', 128)),
      rows: give.rows(1, 'session, pid, uid, comm, netns, group, contexts, rights, registered bytes and their limit'),
      next: give.text(2, 'where to go on; empty at the end'),
    }),
    GROUP_SHOW: method(3, 'Limits and use of resource groups, in parts: a row for each group and device.', {
      group: maybe(need.text(0, 'path of the group; every group when left out', 256)),
      after: maybe(need.text(1, 'where the part before ended', 512)),
      rows: give.rows(2, 'group, dev, and current, peak, max, hits for each resource'),
      next: give.text(3, 'where to go on; empty at the end'),
    }),
    GROUP_SET: method(
      4,
      'Sets limits of a group for a device; a new path makes the group. Limits that are not named stay.',
      {
        group: need.text(0, 'path of the group', 256),
        device: maybe(need.text(1, 'name or index; only makes the group when left out', 64)),
        limits: maybe(need.row(2, 'hca_handle, hca_object, mr_mem: a number, or max')),
      },
      { right: 'admin' },
    ),
    GROUP_ATTACH: method(
      5,
      'Puts the sessions of a process into a group. What was charged before stays where it is.',
      {
        group: need.text(0, 'path of the group', 256),
        pid: need.u32(1, 'process'),
        sessions: give.u32(2, 'how many sessions of the process there are'),
      },
      { right: 'admin' },
    ),
    GROUP_DELETE: method(
      6,
      'Ends a group without groups and sessions in it. What it was charged goes back as objects end.',
      { group: need.text(0, 'path of the group', 256) },
      { right: 'admin' },
    ),
  },
});
