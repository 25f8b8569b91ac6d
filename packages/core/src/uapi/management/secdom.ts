import { give, maybe, method, need, object } from '../schema.ts';

/** @spec uet:tss/13 · uet:tss/16 */
export const SECDOM = object({
  id: 0x108,
  name: 'SECDOM',
  text: 'Secure domains: whose packets are protected together. Keys come in and are never shown.',
  plural: 'secure_domains',
  short: 'secdom',
  methods: {
    SHOW: method(0, 'The domains there are, with their epochs and counters, and without keys.', {
      rows: give.rows(0, 'sdi, mode, ssi, tx_an, key_0, key_1, epoch_lifetime, latched, and what was counted'),
    }),
    ADD: method(
      1,
      'Adds a domain with its first key, which is sent under at once.',
      {
        sdi: need.u32(0, 'secure domain identifier, from 1', 0xff_ffff),
        options: need.row(
          1,
          'mode, ssi, clients, epochLifetime, rekeyMask, rekeyShift, ipv6Context, splitCounters, latchAfter',
        ),
        key: need.bytes(2, 'the key; of a client key and mask', 32, 44),
        an: maybe(need.u32(3, 'slot; 0 when left out', 1)),
        epoch: maybe(need.u32(4, '0 when left out', 0xffff)),
      },
      { right: 'admin' },
    ),
    INSTALL: method(
      2,
      'Puts a new key into the slot that is not sent under; packets under it are taken from now on.',
      {
        sdi: need.u32(0, 'secure domain identifier', 0xff_ffff),
        key: need.bytes(1, 'a key that was never used', 32, 44),
        an: need.u32(2, 'slot', 1),
        epoch: maybe(need.u32(3, '0 when left out', 0xffff)),
      },
      { right: 'admin' },
    ),
    ACTIVATE: method(
      3,
      'Sends under the key of a slot from now on. All receivers must have it by then.',
      { sdi: need.u32(0, 'secure domain identifier', 0xff_ffff), an: need.u32(1, 'slot', 1) },
      { right: 'admin' },
    ),
    RETIRE: method(
      4,
      'Forgets the key of the slot that is not sent under; packets under it are dropped.',
      { sdi: need.u32(0, 'secure domain identifier', 0xff_ffff), an: need.u32(1, 'slot', 1) },
      { right: 'admin' },
    ),
    DELETE: method(
      5,
      'Takes a domain away with its keys: its packets are dropped, its queue pairs can send no more.',
      { sdi: need.u32(0, 'secure domain identifier', 0xff_ffff) },
      { right: 'admin' },
    ),
  },
});
