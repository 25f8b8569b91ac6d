/** What both halves know: the driver's own objects, and the words of commands. */
import { schema } from '@verbena/core';

const { give, method, need, object } = schema;

export const PORT = object({
  id: 0x1000,
  name: 'HL_PORT',
  text: 'A port of the accelerator, set up towards one peer.',
  plural: 'ports_set_up',
  short: 'hl_port',
  methods: {
    SETUP: method(0, 'Sets a port up.', {
      peer: need.u32(0, 'address of the peer device', 255),
      peerFifo: need.u32(1, 'FIFO of the peer that data is for'),
      handle: give.handle(2, 'HL_PORT', 'the port'),
    }),
    CLEAR: method(1, 'Tears it down.', { handle: need.destroy(0, 'HL_PORT', 'the port') }, { shell: true }),
    POINT: method(2, 'Turns it to another FIFO of the peer.', {
      handle: need.write(0, 'HL_PORT', 'the port'),
      peerFifo: need.u32(1, 'FIFO of the peer'),
    }),
  },
});

/** Commands: operation, offset and length in memory of the compute device, id. Completions: operation, id, length. */
export const FIFO = object({
  id: 0x1001,
  name: 'HL_FIFO',
  text: 'A private queue of commands to a port.',
  plural: 'fifos',
  short: 'hl_fifo',
  methods: {
    ALLOC: method(0, 'Makes a FIFO.', {
      port: need.read(0, 'HL_PORT', 'where it sends'),
      handle: give.handle(1, 'HL_FIFO', 'the FIFO'),
      number: give.u32(2, 'its number for peers, and its bell'),
      commands: give.size(3, 'its queue: an offset for DEVICE.MAP'),
      completions: give.size(4, 'queue of what has ended: an offset for DEVICE.MAP'),
    }),
    FREE: method(1, 'Ends it.', { handle: need.destroy(0, 'HL_FIFO', 'the FIFO') }, { shell: true }),
  },
});

export const Operation = { SEND: 1, RECEIVE: 2 } as const;
