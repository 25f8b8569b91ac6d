import { give, maybe, method, need, object } from '../schema.ts';

/** Bytes that one answer of CAPTURE.READ has at most. */
export const CAPTURE_PART_BYTES = 49_152;

/** @spec rdma-core 19.2 */
export const CAPTURE = object({
  id: 0x109,
  name: 'CAPTURE',
  text: 'Frames that a device sends and receives, as they stand on the wire. One for each connection, few for each system.',
  plural: 'captures',
  short: 'capture',
  methods: {
    START: method(
      0,
      'Begins a capture of what a device sends and receives from now on, whoever uses it.',
      {
        device: need.text(0, 'name or index', 64),
        wake: give.u32(1, 'what is woken when there is something to read'),
        decrypt: maybe(
          need.u32(2, '1: packets of secure domains are shown in the clear, with those keys that are here', 1),
        ),
      },
      { right: 'admin' },
    ),
    READ: method(
      1,
      'Takes the next bytes. All of them one after the other are a pcapng file; a part may end within a block.',
      {
        bytes: give.bytes(0, 'the next bytes; none when nothing waits', CAPTURE_PART_BYTES),
        frames: give.size(1, 'frames captured since the start'),
        lost: give.size(2, 'frames lost since the start, because nobody read in time'),
        ended: give.u32(3, '1: these are the last bytes; it was stopped, or the device is gone'),
      },
      { right: 'admin' },
    ),
    STOP: method(2, 'Ends capturing. What waits can still be read.', {}),
  },
});
