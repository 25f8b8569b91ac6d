/** What both halves know: the driver's own objects, and the commands of the firmware. */
import { schema } from '@verbena/core';

const { give, method, need, object } = schema;
const COMMAND = 64;

/** Commands are three words: operation, object of the firmware, value. Answers: status, and two words more. */
export const DEVX = object({
  id: 0x1000,
  name: 'DEVX_OBJ',
  text: 'An object of the firmware, made by a command that the driver only tags and passes on.',
  plural: 'firmware_objects',
  short: 'devx',
  methods: {
    CREATE: method(0, 'Makes an object of the firmware.', {
      command: need.bytes(0, 'command', 12, COMMAND),
      handle: give.handle(1, 'DEVX_OBJ', 'the object'),
      answer: give.bytes(2, 'what the firmware says', COMMAND),
    }),
    DESTROY: method(1, 'Ends it.', { handle: need.destroy(0, 'DEVX_OBJ', 'the object') }, { shell: true }),
    MODIFY: method(2, 'Changes it.', {
      handle: need.write(0, 'DEVX_OBJ', 'the object'),
      value: need.u32(1, 'new value'),
    }),
  },
});

export const FIRMWARE = object({
  id: 0x1001,
  name: 'DEVX',
  text: 'The firmware itself.',
  plural: 'firmware',
  short: 'fw',
  methods: {
    OTHER: method(0, 'Passes a command on. It reaches objects of the caller only.', {
      command: need.bytes(0, 'command', 12, COMMAND),
      answer: give.bytes(1, 'what the firmware says', COMMAND),
    }),
  },
});

export const UAR = object({
  id: 0x1002,
  name: 'UAR',
  text: 'A page of doorbells for objects of the firmware.',
  plural: 'uars',
  short: 'uar',
  methods: {
    ALLOC: method(0, 'Makes a page.', {
      handle: give.handle(0, 'UAR', 'the page'),
      offset: give.size(1, 'offset for DEVICE.MAP'),
    }),
    FREE: method(1, 'Ends it.', { handle: need.destroy(0, 'UAR', 'the page') }, { shell: true }),
  },
});

export const Operation = { CREATE: 1, QUERY: 2, MODIFY: 3, DESTROY: 4 } as const;
export const FirmwareStatus = { OK: 0, BAD_OPERATION: 2, NO_OBJECT: 4 } as const;
export const words = (...list: number[]): Uint8Array => new Uint8Array(Uint32Array.from(list).buffer);
export const wordsOf = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.slice().buffer, 0, bytes.length >> 2);
