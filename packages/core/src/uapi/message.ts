/**
 * The bytes of a call, the same over a MessagePort, over a UNIX socket and from C. Little-endian.
 *
 *   request   u32 length · u16 object · u16 method · u16 attributes · u16 reserved · u32 context · u32 driver ·
 *             u32 cookie · u32 room for the answer · u32 reserved           32 bytes, then attributes
 *   answer    u32 length · u16 error number, 0 for success · u16 attributes · u32 cookie · u32 reserved
 *                                                                           16 bytes, then attributes
 *   attribute u16 id · u16 flags · u32 length of the value · value · padding to 8
 *
 * Values stand in the message; memory and descriptors travel beside it, and attributes name them by position.
 */
import { ERRNO, type ErrorCode, errorCode } from '../base/errno.ts';
import { decodeUtf8, encodeUtf8 } from '../base/utf8.ts';
import { type ErrorFacts, VerbsError } from '../base/verbs-error.ts';
import { readLayout, readSize, writeLayout, writeSize } from './layout.ts';
import { decodeRows, encodeRows, type Row } from './rows.ts';
import type { Attribute, Attributes, AttributeType, Input, Method, ObjectSchema, Output } from './schema.ts';

/** A call as bytes, with what travels beside it: descriptors, or memory of the same process. */
export interface Message {
  readonly bytes: Uint8Array;
  readonly attachments: readonly unknown[];
}

export interface RequestHeader {
  readonly object: number;
  readonly method: number;
  readonly attributes: number;
  readonly context: number;
  readonly driver: number;
  readonly cookie: number;
  /** Most bytes of the answer that the caller takes. */
  readonly room: number;
}

/** An attribute as it stands in a message. */
export interface RawAttribute {
  readonly id: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

export interface CallOptions {
  readonly context?: number;
  readonly driver?: number;
  readonly cookie?: number;
  readonly room?: number;
  /** Further attributes, such as those of a driver. */
  readonly extra?: readonly RawAttribute[];
}

/** Encodes a request. @throws VerbsError `EINVAL` a value that its attribute cannot hold · `EMSGSIZE` too long */
export function encodeRequest<M extends Method>(
  of: ObjectSchema,
  method: M,
  input: Input<M>,
  options: CallOptions = {},
): Uint8Array {
  const { context = 0, driver = 0, cookie = 0, room = MAX_MESSAGE_BYTES, extra = [] } = options;
  const raw = [...encodeAttributes(of.name, method.attributes, 'in', input), ...extra];
  const bytes = frame(REQUEST_BYTES, raw);
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new VerbsError('EMSGSIZE', of.name, `a message of ${bytes.length} bytes is too long`, {
      try: `at most ${MAX_MESSAGE_BYTES} bytes with all attributes`,
    });
  }
  const view = new DataView(bytes.buffer);
  view.setUint16(4, of.id, true);
  view.setUint16(6, method.id, true);
  view.setUint16(8, raw.length, true);
  view.setUint32(12, context, true);
  view.setUint32(16, driver, true);
  view.setUint32(20, cookie, true);
  view.setUint32(24, room, true);
  return bytes;
}

/**
 * Reads the header of a request.
 *
 * @throws VerbsError `EINVAL` a length that does not fit · `EPROTONOSUPPORT` reserved fields that are not zero
 */
export function decodeRequestHeader(bytes: Uint8Array): RequestHeader {
  if (bytes.length < REQUEST_BYTES) throw malformed(`${bytes.length} bytes are no request`, `${REQUEST_BYTES} or more`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  if (length !== bytes.length || length > MAX_MESSAGE_BYTES) {
    throw malformed(`the header says ${length} bytes, the message has ${bytes.length}`, `up to ${MAX_MESSAGE_BYTES}`);
  }
  if (view.getUint16(10, true) !== 0 || view.getUint32(28, true) !== 0) {
    throw new VerbsError('EPROTONOSUPPORT', 'invoke', 'a reserved field of the header is not zero', { try: 'zero' });
  }
  return {
    object: view.getUint16(4, true),
    method: view.getUint16(6, true),
    attributes: view.getUint16(8, true),
    context: view.getUint32(12, true),
    driver: view.getUint32(16, true),
    cookie: view.getUint32(20, true),
    room: view.getUint32(24, true),
  };
}

/** Splits what follows a header. @throws VerbsError EINVAL attributes that do not fill the message exactly */
export function splitAttributes(bytes: Uint8Array, from: number, count: number): RawAttribute[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const list: RawAttribute[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    if (bytes.length - at < ATTRIBUTE_BYTES) throw malformed(`attribute ${i} is cut off`, 'whole attributes');
    const length = view.getUint32(at + 4, true);
    const start = at + ATTRIBUTE_BYTES;
    if (length > bytes.length - start) throw malformed(`attribute ${i} is longer than the message`, 'whole attributes');
    list.push({
      id: view.getUint16(at, true),
      flags: view.getUint16(at + 2, true),
      value: bytes.subarray(start, start + length),
    });
    at = start + pad8(length);
  }
  if (at !== bytes.length) throw malformed(`${bytes.length - at} bytes follow the last attribute`, 'no more bytes');
  return list;
}

/** Encodes an answer. */
export function encodeAnswer(method: Method, output: Readonly<Record<string, unknown>>, cookie: number): Uint8Array {
  const raw = encodeAttributes('answer', method.attributes, 'out', output);
  return answerFrame(0, raw, cookie);
}

/** Bytes of every answer of a method, at most; undefined where they depend on what there is to say. */
export function answerBytes({ attributes }: Method): number | undefined {
  let bytes = ANSWER_BYTES;
  for (const { direction, type } of Object.values(attributes)) {
    if (direction !== 'out') continue;
    const value = FIXED_BYTES[type.kind] ?? (type.kind === 'struct' ? type.layout.bytes : undefined);
    if (value === undefined) return undefined;
    bytes += ATTRIBUTE_BYTES + pad8(value);
  }
  return bytes;
}

/** @throws VerbsError ENOSPC the caller does not take an answer of so many bytes */
export function checkRoom(bytes: number, { room }: RequestHeader, call: string): void {
  const most = Math.min(room, MAX_MESSAGE_BYTES);
  if (bytes <= most) return;
  throw new VerbsError('ENOSPC', call, `the answer has ${bytes} bytes, and ${most} are the most`, {
    given: `room for ${room} bytes`,
    try:
      bytes > MAX_MESSAGE_BYTES
        ? 'asking for less at a time; nothing was done'
        : 'more room for the answer; nothing was done',
  });
}

/** Encodes an error with all that it explains. */
export function encodeError(error: VerbsError, cookie: number): Uint8Array {
  const prefix = `${error.code} in ${error.call}: `;
  const texts: Readonly<Record<string, string | undefined>> = {
    call: error.call,
    problem: error.message.slice(prefix.length),
    ...error.facts,
  };
  const raw = ERROR_TEXTS.flatMap((name, id) => {
    const text = texts[name];
    return text === undefined ? [] : [{ id, flags: 0, value: encodeUtf8(text).subarray(0, MAX_ERROR_TEXT) }];
  });
  return answerFrame(ERRNO[error.code], raw, cookie);
}

/**
 * Decodes an answer.
 *
 * @throws VerbsError what the answer says, or EIO when it is no answer
 */
export function decodeAnswer<M extends Method>(method: M, bytes: Uint8Array): Output<M> {
  const { error, raw } = splitAnswer(bytes);
  if (error !== 0) throw decodeError(error, raw);
  const output: Record<string, unknown> = {};
  for (const [name, attribute] of Object.entries(method.attributes)) {
    if (attribute.direction !== 'out') continue;
    const found = raw.find((one) => one.id === attribute.id);
    if (found === undefined) continue;
    const value = decodeValue(attribute.type, found.value);
    if (value instanceof Fault) throw new VerbsError('EIO', 'invoke', `the answer has a broken attribute ${name}`);
    output[name] = value;
  }
  return output as Output<M>;
}

/** The cookie of an answer. */
export const answerCookie = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(8, true);

/** Why a value cannot be: an error code, and words. */
export class Fault {
  readonly code: ErrorCode;
  readonly text: string;

  constructor(code: ErrorCode, text: string) {
    this.code = code;
    this.text = text;
  }
}

/** Decodes a value by its type; handles stay numbers. */
export function decodeValue(type: AttributeType, value: Uint8Array): unknown {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  switch (type.kind) {
    case 'u32':
    case 'flags':
    case 'choice':
    case 'handle': {
      if (value.length !== 4) return sizeFault(value.length, 4);
      return checkWord(type, view.getUint32(0, true));
    }
    case 'u64':
      return value.length === 8 ? view.getBigUint64(0, true) : sizeFault(value.length, 8);
    case 'size': {
      if (value.length !== 8) return sizeFault(value.length, 8);
      const size = readSize(view, 0);
      const { max = Number.MAX_SAFE_INTEGER } = type;
      if (size > Number.MAX_SAFE_INTEGER) return new Fault('EOVERFLOW', 'is above 2^53');
      return size > max ? new Fault('EINVAL', `is ${size}; at most ${max}`) : size;
    }
    case 'text':
      if (value.length > type.max) return new Fault('EINVAL', `has ${value.length} bytes; at most ${type.max}`);
      return decodeUtf8(value);
    case 'bytes':
      if (value.length < type.min || value.length > type.max) {
        return new Fault('EINVAL', `has ${value.length} bytes; ${type.min} to ${type.max}`);
      }
      return value.slice();
    case 'handles':
    case 'numbers': {
      if (value.length % 4 !== 0 || value.length / 4 > type.max) {
        return new Fault('EINVAL', `has ${value.length} bytes; up to ${type.max} words`);
      }
      return Array.from({ length: value.length / 4 }, (_, i) => view.getUint32(4 * i, true));
    }
    case 'struct': {
      const { bytes } = type.layout;
      if (value.length < bytes) return new Fault('EINVAL', `has ${value.length} bytes; ${bytes}`);
      // a longer structure of a newer program means the same when what we do not know is zero
      for (let i = bytes; i < value.length; i++) {
        if (value[i] !== 0) return new Fault('EOPNOTSUPP', `has members behind byte ${bytes} that are not known here`);
      }
      return readLayout(view, 0, type.layout) ?? new Fault('EOVERFLOW', 'holds a size above 2^53');
    }
    case 'row':
    case 'rows': {
      const rows = decodeRows(value);
      if (rows === undefined) return new Fault('EINVAL', 'holds no rows');
      return type.kind === 'rows' ? rows : (rows[0] ?? {});
    }
  }
}

function checkWord(type: AttributeType, word: number): number | Fault {
  if (type.kind === 'u32' && type.max !== undefined && word > type.max) {
    return new Fault('EINVAL', `is ${word}; at most ${type.max}`);
  }
  if (type.kind === 'choice' && !Object.values(type.values).includes(word)) {
    return new Fault('EOPNOTSUPP', `is ${word}; known: ${listOf(type.values)}`);
  }
  if (type.kind !== 'flags') return word;
  let known = 0;
  for (const bit of Object.values(type.bits)) known |= bit;
  const unknown = (word & ~known) >>> 0;
  if (unknown === 0) return word;
  return type.ignoreUnknown === true
    ? (word & known) >>> 0
    : new Fault('EINVAL', `has unknown bits 0x${unknown.toString(16)}; known: ${listOf(type.bits)}`);
}

function encodeAttributes(
  where: string,
  attributes: Attributes,
  direction: 'in' | 'out',
  values: Readonly<Record<string, unknown>>,
): RawAttribute[] {
  const raw: RawAttribute[] = [];
  for (const [name, attribute] of Object.entries(attributes)) {
    const value = values[name];
    if (attribute.direction !== direction || value === undefined) continue;
    raw.push({
      id: attribute.id,
      flags: attribute.mandatory ? AttributeFlag.MANDATORY : 0,
      value: encodeValue(where, name, attribute, value),
    });
  }
  return raw;
}

/** Encodes one value by its type. @throws VerbsError EINVAL it does not fit */
export function encodeValue(where: string, name: string, { type, direction }: Attribute, value: unknown): Uint8Array {
  switch (type.kind) {
    case 'u32':
    case 'flags':
    case 'choice':
    case 'handle': {
      if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 0xffff_ffff) {
        throw unfit(where, name, value, 'a whole number of 32 bits');
      }
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, value as number, true);
      return bytes;
    }
    case 'u64': {
      if (typeof value !== 'bigint' || value < 0n || value >> 64n !== 0n) {
        throw unfit(where, name, value, 'a bigint of 64 bits');
      }
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      return bytes;
    }
    case 'size': {
      if (!Number.isSafeInteger(value) || (value as number) < 0)
        throw unfit(where, name, value, 'a whole number from 0');
      const bytes = new Uint8Array(8);
      writeSize(new DataView(bytes.buffer), 0, value as number);
      return bytes;
    }
    case 'text': {
      const bytes = encodeUtf8(String(value));
      if (bytes.length <= type.max) return bytes;
      // what is only to be read may be cut, a name may not
      if (direction === 'out') return bytes.subarray(0, type.max);
      throw unfit(where, name, `a text of ${bytes.length} bytes`, `up to ${type.max} bytes of UTF-8`);
    }
    case 'bytes':
      return value as Uint8Array;
    case 'handles':
    case 'numbers': {
      const list = value as readonly number[];
      const bytes = new Uint8Array(4 * list.length);
      const view = new DataView(bytes.buffer);
      for (const [i, one] of list.entries()) view.setUint32(4 * i, one, true);
      return bytes;
    }
    case 'struct': {
      const bytes = new Uint8Array(type.layout.bytes);
      writeLayout(new DataView(bytes.buffer), 0, type.layout, value as Readonly<Record<string, unknown>>);
      return bytes;
    }
    case 'row':
      return encodeRows([value as Row]);
    case 'rows':
      return encodeRows(value as readonly Row[]);
  }
}

function splitAnswer(bytes: Uint8Array): { error: number; raw: RawAttribute[] } {
  if (bytes.length < ANSWER_BYTES) throw new VerbsError('EIO', 'invoke', `${bytes.length} bytes are no answer`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== bytes.length) throw new VerbsError('EIO', 'invoke', 'the answer is cut off');
  return { error: view.getUint16(4, true), raw: splitAttributes(bytes, ANSWER_BYTES, view.getUint16(6, true)) };
}

function decodeError(error: number, raw: readonly RawAttribute[]): VerbsError {
  const texts: Record<string, string> = {};
  for (const { id, value } of raw) {
    const name = ERROR_TEXTS[id];
    if (name !== undefined) texts[name] = decodeUtf8(value);
  }
  const { call = 'invoke', problem = `error ${error}`, ...facts } = texts;
  return new VerbsError(errorCode(error), call, problem, facts as ErrorFacts);
}

function answerFrame(error: number, raw: readonly RawAttribute[], cookie: number): Uint8Array {
  const bytes = frame(ANSWER_BYTES, raw);
  const view = new DataView(bytes.buffer);
  view.setUint16(4, error, true);
  view.setUint16(6, raw.length, true);
  view.setUint32(8, cookie, true);
  return bytes;
}

/** A message with room for its header, its length, and the attributes. */
function frame(header: number, raw: readonly RawAttribute[]): Uint8Array {
  let length = header;
  for (const { value } of raw) length += ATTRIBUTE_BYTES + pad8(value.length);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  let at = header;
  for (const { id, flags, value } of raw) {
    view.setUint16(at, id, true);
    view.setUint16(at + 2, flags, true);
    view.setUint32(at + 4, value.length, true);
    bytes.set(value, at + ATTRIBUTE_BYTES);
    at += ATTRIBUTE_BYTES + pad8(value.length);
  }
  return bytes;
}

function malformed(problem: string, advice: string): VerbsError {
  return new VerbsError('EINVAL', 'invoke', problem, { try: advice });
}

function unfit(where: string, name: string, value: unknown, advice: string): VerbsError {
  return new VerbsError('EINVAL', where, `\`${name}\` cannot be ${String(value)}`, { try: advice });
}

const sizeFault = (given: number, due: number): Fault => new Fault('EINVAL', `has ${given} bytes; ${due}`);
const listOf = (values: Readonly<Record<string, number>>): string => Object.keys(values).join(', ');
const pad8 = (length: number): number => (length + 7) & ~7;

export const AttributeFlag = { MANDATORY: 1 } as const;
/** Texts of an error, by attribute id. */
export const ERROR_TEXTS = ['call', 'problem', 'object', 'given', 'missing', 'try', 'see'] as const;
export const REQUEST_BYTES = 32;
export const ANSWER_BYTES = 16;
export const ATTRIBUTE_BYTES = 8;
/** Longest message in either direction. */
export const MAX_MESSAGE_BYTES = 65_536;
const MAX_ERROR_TEXT = 2048;
/** Values that always have the same length. */
const FIXED_BYTES: Readonly<Partial<Record<AttributeType['kind'], number>>> = {
  ...{ u32: 4, flags: 4, choice: 4, handle: 4 },
  ...{ u64: 8, size: 8 },
};
