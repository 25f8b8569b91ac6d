import { give, method, need, object } from '../schema.ts';

export const MW_TYPES = { TYPE_1: 1, TYPE_2: 2 } as const;

/** @spec verbs/1.4 */
export const MW = object({
  id: 8,
  name: 'MW',
  text: 'Memory window: a part of a region that work requests open and close to peers.',
  plural: 'memory_windows',
  short: 'mw',
  methods: {
    ALLOC: method(0, 'Makes a window that shows nothing yet.', {
      pd: need.read(0, 'PD', 'protection domain'),
      type: need.choice(1, 'who chooses keys: 1 the device, 2 the program', MW_TYPES),
      handle: give.handle(2, 'MW', 'the window'),
      number: give.u32(3, 'names it in requests'),
      rkey: give.u64(4, 'first remote key; valid when bound'),
    }),
    DEALLOC: method(1, 'Ends it, bound or not.', { handle: need.destroy(0, 'MW', 'the window') }, { shell: true }),
  },
});
