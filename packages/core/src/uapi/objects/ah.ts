import { ADDRESS } from '../layouts.ts';
import { give, maybe, method, need, object } from '../schema.ts';

/** @spec verbs/1.6 · verbs/5.6 */
export const AH = object({
  id: 6,
  name: 'AH',
  text: 'Address handle: a peer, as requests name it.',
  plural: 'address_handles',
  short: 'ah',
  methods: {
    CREATE: method(0, 'Makes an address handle, to an address or back along a path.', {
      pd: need.read(0, 'PD', 'protection domain'),
      to: maybe(need.struct(1, 'the peer', ADDRESS)),
      path: maybe(need.u32(2, 'path of a completion')),
      qpn: maybe(need.u32(3, 'queue pair of the peer')),
      sgidIndex: maybe(need.u32(4, 'address entry of the path; the first when left out')),
      handle: give.handle(5, 'AH', 'the address handle'),
      number: give.u32(6, 'names it in requests'),
      pathGiven: give.u32(7, 'path, as completions name it'),
      peer: give.struct(8, 'the peer', ADDRESS),
    }),
    DESTROY: method(1, 'Ends it.', { handle: need.destroy(0, 'AH', 'the address handle') }, { shell: true }),
  },
});
