import { MEMORY } from '../layouts.ts';
import { give, maybe, method, need, object } from '../schema.ts';

/** Rights, and in bits 20 to 29 hints that a device may ignore. @spec verbs/1.3 · rdma-core 10.9 */
export const ACCESS_FLAGS = {
  LOCAL_WRITE: 1,
  REMOTE_WRITE: 2,
  REMOTE_READ: 4,
  REMOTE_ATOMIC: 8,
  MW_BIND: 16,
  ZERO_BASED: 32,
} as const;
/** The range of {@link ACCESS_FLAGS} whose unknown bits are dropped in silence. */
export const ACCESS_HINTS = { RELAXED_ORDERING: 1 << 20 } as const;
/** What a remote key says about its region. @spec uet:ses/5.1 */
export const KEY_FLAGS = { IDEMPOTENT_SAFE: 1 } as const;
export const REREG_FLAGS = { TRANSLATION: 1, PD: 2, ACCESS: 4 } as const;

/** @spec verbs/1.3 · verbs/5.7 */
export const MR = object({
  id: 7,
  name: 'MR',
  text: 'Memory region: memory that the device may reach, with rights, under keys.',
  plural: 'memory_regions',
  short: 'mr',
  methods: {
    REG: method(0, 'Registers memory, or a part of a region.', {
      pd: need.read(0, 'PD', 'protection domain'),
      memory: maybe(need.struct(1, 'the memory', MEMORY)),
      parent: maybe(need.read(2, 'MR', 'derive from this region: `offset` and `length` lie in it')),
      offset: maybe(need.size(3, 'bytes from the start of the parent')),
      length: maybe(need.size(4, 'bytes')),
      access: need.flags(5, 'rights', ACCESS_FLAGS),
      hints: maybe(need.hints(6, 'wishes that a device may ignore', ACCESS_HINTS)),
      jobKey: maybe(need.read(7, 'JKEY', 'only peers of this job may reach it')),
      key: maybe(need.u64(8, 'remote key, instead of a random one')),
      keyFlags: maybe(need.flags(13, 'what the remote key says: accesses may be repeated', KEY_FLAGS)),
      handle: give.handle(9, 'MR', 'the region'),
      lkey: give.u32(10, 'names it in requests'),
      rkey: give.u64(11, 'names it for peers'),
      bytes: give.size(12, 'its length'),
    }),
    DEREG: method(1, 'Ends all access at once.', { handle: need.destroy(0, 'MR', 'the region') }, { shell: true }),
    REREG: method(2, 'Changes memory, domain or rights in one step, under the same handle; the keys change.', {
      handle: need.write(0, 'MR', 'the region'),
      flags: need.flags(1, 'what changes', REREG_FLAGS),
      pd: maybe(need.read(2, 'PD', 'new protection domain')),
      memory: maybe(need.struct(3, 'new memory', MEMORY)),
      access: maybe(need.flags(4, 'new rights', ACCESS_FLAGS)),
      lkey: give.u32(5, 'new local key'),
      rkey: give.u64(6, 'new remote key'),
      bytes: give.size(7, 'its length'),
    }),
    INVALIDATE: method(3, 'Ends remote access; local use goes on.', {
      handle: need.write(0, 'MR', 'the region'),
    }),
  },
});
