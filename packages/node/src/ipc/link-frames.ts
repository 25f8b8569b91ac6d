/**
 * What client and daemon say to each other beside calls. The bytes of a call and its answer are those of the user API;
 * these frames cannot be taken for either: a request has 32 bytes or more, an answer has an error number below 0xffff.
 *
 *   to the daemon    u32 length = 16 · u16 0xffff · u16 kind · u32 value · u32 version      HELLO, KICK
 *   to the client    u32 length · u16 0xffff · u16 count · u32 0 · u32 0 · count × u32      wake numbers
 */

/** Kinds of frames to the daemon. */
export const LinkFrame = {
  /** First of all, and optional: `value` has the rights to keep, bits of `DEVICE.OPEN`. */
  HELLO: 1,
  /** A doorbell was rung while the device slept. */
  KICK: 2,
} as const;

/** @param value - for HELLO: the rights that the session keeps */
export function linkFrame(kind: number, value = 0): Uint8Array {
  const bytes = new Uint8Array(LINK_FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, LINK_FRAME_BYTES, true);
  view.setUint16(4, MARK, true);
  view.setUint16(6, kind, true);
  view.setUint32(8, value, true);
  view.setUint32(12, LINK_VERSION, true);
  return bytes;
}

/** @returns undefined for what is no frame of the link: a call, or nonsense */
export function parseLinkFrame(bytes: Uint8Array): { readonly kind: number; readonly value: number } | undefined {
  if (bytes.length !== LINK_FRAME_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== LINK_FRAME_BYTES || view.getUint16(4, true) !== MARK) return undefined;
  if (view.getUint32(12, true) !== LINK_VERSION) return undefined;
  return { kind: view.getUint16(6, true), value: view.getUint32(8, true) };
}

/** @param numbers - up to {@link MAX_WAKES} */
export function wakeFrame(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(LINK_FRAME_BYTES + 4 * numbers.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, MARK, true);
  view.setUint16(6, numbers.length, true);
  for (let i = 0; i < numbers.length; i++) view.setUint32(LINK_FRAME_BYTES + 4 * i, numbers[i]!, true);
  return bytes;
}

/** @returns the numbers to wake; undefined for an answer */
export function parseWakeFrame(bytes: Uint8Array): number[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < LINK_FRAME_BYTES || view.getUint16(4, true) !== MARK) return undefined;
  const count = Math.min(view.getUint16(6, true), (bytes.length - LINK_FRAME_BYTES) >> 2);
  return Array.from({ length: count }, (_, i) => view.getUint32(LINK_FRAME_BYTES + 4 * i, true));
}

/** Most numbers of one frame. */
export const MAX_WAKES = 4096;
export const LINK_FRAME_BYTES = 16;
const MARK = 0xffff;
const LINK_VERSION = 1;
