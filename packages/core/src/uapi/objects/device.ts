/** Devices: what there is, opening one, and what it says about itself. */
import { give, maybe, method, need, object } from '../schema.ts';
import { QP_TYPES } from './qp.ts';

/** Instances are named by text or index; the context is the one of the header. @spec rdma-core 9, 10 */
export const DEVICE = object({
  id: 0,
  name: 'DEVICE',
  text: 'A device, and a program’s view of it.',
  plural: 'contexts',
  short: 'ctx',
  methods: {
    LIST: method(0, 'Lists the devices that the caller may see.', {
      devices: give.rows(0, 'name, index, driver, transports, ports, state'),
    }),
    OPEN: method(1, 'Opens a device: makes a context, to which everything else belongs.', {
      device: maybe(need.text(0, 'name, or index in digits; the only device when left out', 64)),
      rights: maybe(
        need.flags(1, 'rights to keep; all that the caller has when left out', { ADMIN: 1, JOB: 2, RAW: 4 }),
      ),
      link: maybe(need.u32(2, 'attachment: a descriptor of the device that this one belongs to')),
      context: give.u32(3, 'number of the context, for headers'),
      wake: give.u32(4, 'what is woken when an asynchronous event comes'),
      page: give.size(5, 'offset of the doorbell page, for MAP; 0 for a device without'),
      pageBytes: give.size(6, 'its length'),
      driver: give.u32(7, 'number of the driver, which the user half must know'),
      features: give.u32(
        8,
        'bits of what the system can do: 1 hints are ignored when unknown, 2 driver data is checked',
      ),
      events: give.u32(9, 'handle of the default event file'),
    }),
    CLOSE: method(2, 'Closes the context: destroys all of its objects, newest first.', {}, { shell: true }),
    QUERY: method(3, 'Attributes and limits.', { attributes: give.row(0, 'name and value of each') }, { shell: true }),
    QUERY_PORT: method(
      4,
      'State and limits of one port.',
      {
        port: maybe(need.u32(0, 'from 1; the first when left out')),
        attributes: give.row(1, 'name and value of each'),
      },
      { shell: true },
    ),
    QUERY_GID_TABLE: method(
      5,
      'Address entries: index, port, address, type.',
      {
        entries: give.rows(0, 'index, port, gid, type, udp_port'),
      },
      { shell: true },
    ),
    QUERY_QP_SEMANTICS: method(6, 'What a kind of queue pair promises.', {
      type: need.choice(0, 'kind of queue pair', QP_TYPES),
      sgidIndex: maybe(need.u32(1, 'address entry; the first when left out')),
      semantics: give.row(2, 'ordering, largest ordered sizes, payload of a packet, immediate data'),
    }),
    INFO_HANDLES: method(7, 'Live handles of one kind in this context.', {
      object: need.u32(0, 'number of the object in the schema'),
      handles: give.numbers(1, 'handles, oldest first', 8192),
      more: give.u32(2, 'how many more there are'),
    }),
    QUERY_METHODS: method(8, 'What this device has: every object and method that is not absent.', {
      methods: give.rows(0, 'object, method, and their numbers'),
    }),
    QUERY_PATH: method(9, 'The address behind a path that a completion names.', {
      path: need.u32(0, 'path'),
      sgidIndex: maybe(need.u32(1, 'address entry; the first when left out')),
      address: maybe(give.bytes(2, '16 bytes', 16)),
      port: maybe(give.u32(3, 'UDP port')),
    }),
    MAP: method(10, 'Maps what the device offers at an offset: a doorbell page, a queue. It travels as attachment 0.', {
      offset: need.size(0, 'as another call gave it'),
      length: need.size(1, 'exactly the length of the entry'),
    }),
    UNMAP: method(
      11,
      'Ends a mapping; the offset is not given out again before.',
      {
        offset: need.size(0, 'as another call gave it'),
      },
      { shell: true },
    ),
    COUNTERS: method(
      12,
      'What was counted so far.',
      { counters: give.row(0, 'name and value of each') },
      { shell: true },
    ),
    KICK: method(13, 'A doorbell by call, for devices or programs without a mapped page.', {
      slot: need.u32(0, 'doorbell number of a queue'),
    }),
  },
});
