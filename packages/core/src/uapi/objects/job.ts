import { ADDRESS } from '../layouts.ts';
import { give, maybe, method, need, object } from '../schema.ts';

/** Bytes of a capability. */
export const TOKEN_BYTES = 32;

/** @spec verbs/5.4 · verbs/5.6 */
export const JOB = object({
  id: 20,
  name: 'JOB',
  text: 'Job: processes that may talk to each other. Made by a privileged party, handed on as a capability.',
  plural: 'jobs',
  short: 'job',
  methods: {
    ALLOC: method(
      0,
      'Makes a job.',
      {
        id: need.u32(0, 'number of the job; the transport says how many bits it has'),
        maxAddresses: maybe(need.u32(1, 'entries of its address table')),
        sgidIndex: maybe(need.u32(2, 'address entry, and so the protocol; the first when left out')),
        name: maybe(need.text(3, 'name for tools, unique', 64)),
        handle: give.handle(4, 'JOB', 'the job'),
        entries: give.u32(5, 'entries of its address table'),
      },
      { right: 'job' },
    ),
    DEALLOC: method(
      1,
      'Drops this holder’s part; the last one ends the job. Refused while job keys refer to it.',
      {
        handle: need.destroy(0, 'JOB', 'the job'),
      },
      { shell: true },
    ),
    QUERY: method(2, 'What there is to know.', {
      handle: need.read(0, 'JOB', 'the job'),
      attributes: give.row(1, 'address table size, entries in use, holders; the id only for who may make jobs'),
    }),
    ADDR_INSERT: method(3, 'Writes an entry of the address table; what was there is replaced.', {
      handle: need.read(0, 'JOB', 'the job'),
      index: need.u32(1, 'entry'),
      to: need.struct(2, 'the peer', ADDRESS),
      qpn: need.u32(3, 'queue pair of the peer'),
    }),
    ADDR_REMOVE: method(4, 'Empties an entry; requests that name it fail from now on.', {
      handle: need.read(0, 'JOB', 'the job'),
      index: need.u32(1, 'entry'),
    }),
    ADDR_QUERY: method(5, 'Reads an entry.', {
      handle: need.read(0, 'JOB', 'the job'),
      index: need.u32(1, 'entry'),
      to: give.struct(2, 'the peer', ADDRESS),
      qpn: give.u32(3, 'queue pair of the peer'),
    }),
    EXPORT: method(6, 'Makes a capability: whoever holds it may import the job, and not make jobs.', {
      handle: need.read(0, 'JOB', 'the job'),
      token: give.bytes(1, 'the capability', TOKEN_BYTES),
    }),
    IMPORT: method(7, 'Joins the job of a capability, on this device.', {
      token: need.bytes(0, 'the capability', TOKEN_BYTES, TOKEN_BYTES),
      sgidIndex: maybe(need.u32(1, 'address entry; the first that fits when left out')),
      handle: give.handle(2, 'JOB', 'the job'),
      entries: give.u32(3, 'entries of its address table'),
    }),
    REVOKE: method(
      8,
      'Ends all capabilities of the job; who holds the job already keeps it, unless `cut` is set.',
      {
        handle: need.write(0, 'JOB', 'the job'),
        cut: maybe(need.u32(1, '1: also fail the queue pairs of all other holders', 1)),
      },
      { right: 'job' },
    ),
  },
});
