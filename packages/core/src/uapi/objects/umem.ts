import { give, maybe, method, need, object } from '../schema.ts';

export const UMEM_KINDS = { FILE: 0, PROCESS: 1 } as const;

/** @spec rdma-core 15.5 */
export const UMEM = object({
  id: 22,
  name: 'UMEM',
  text: 'User memory: a mapping that the program shares once, and names parts of in other calls.',
  plural: 'user_memories',
  short: 'umem',
  methods: {
    CREATE: method(0, 'Shares memory: a sealed memory file, or the caller’s own address space.', {
      kind: need.choice(0, 'FILE: an attachment; PROCESS: ordinary memory of the caller, by address', UMEM_KINDS),
      attachment: maybe(need.u32(1, 'position of the attachment')),
      handle: give.handle(2, 'UMEM', 'the memory'),
      bytes: maybe(give.size(3, 'its length')),
    }),
    DESTROY: method(
      1,
      'Ends it; refused while rings or regions lie in it.',
      {
        handle: need.destroy(0, 'UMEM', 'the memory'),
      },
      { shell: true },
    ),
  },
});
