/** The user API as a C header: numbers, structures, and helpers that build a request and walk an answer. */
import {
  CompletionEntry,
  CompletionFlag,
  DOORBELL_PAGE_BYTES,
  PAYLOAD_AT,
  ReceiveEntry,
  RING_HEADER_BYTES,
  RingError,
  SegmentEntry,
  SendEntry,
  SendFlag,
  type Struct,
} from '@verbena/core/abi';
import {
  ADDRESS,
  ANSWER_BYTES,
  ATTRIBUTE_BYTES,
  AttributeFlag,
  DRIVER_IDS,
  ERRNO,
  ERROR_TEXTS,
  type Layout,
  MAX_MESSAGE_BYTES,
  MEMORY,
  MemoryKind,
  type Method,
  namesOf,
  type ObjectSchema,
  REQUEST_BYTES,
} from '@verbena/core/uapi';
import { HELPERS } from './c-helpers.ts';
import { attributeName, constantName, memberName, methodName, objectName, valueName } from './c-names.ts';

export function cHeader(objects: readonly ObjectSchema[]): string {
  const layouts = new Map<string, Layout>([MEMORY, ADDRESS].map((one) => [one.name, one]));
  for (const one of objects) {
    for (const { attributes } of Object.values(one.methods)) {
      for (const { type } of Object.values(attributes))
        if (type.kind === 'struct') layouts.set(type.layout.name, type.layout);
    }
  }
  return `${[
    HEAD,
    section('Sizes and limits', defines('VB_', SIZES)),
    section('Messages', FRAMES),
    section('Error numbers: those of Linux', defines('VB_', ERRNO)),
    section('Texts of an error, attributes of the answer', defines('VB_ERROR_', numbered(ERROR_TEXTS))),
    section('Structures inside attributes', [...layouts.values()].map(layoutText).join('\n\n')),
    section('How memory is named', defines('VB_MEMORY_KIND_', MemoryKind)),
    section(
      'Objects',
      objects.map((one) => `#define ${objectName(one)} ${hex(one.id)} ${comment(one.text)}`).join('\n'),
    ),
    ...objects.map((one) => section(one.name, objectText(one))),
    section('Entries of rings', RINGS),
    section('Helpers', HELPERS),
    '#ifdef __cplusplus\n}\n#endif\n\n#endif',
  ].join('\n\n')}\n`;
}

function objectText(of: ObjectSchema): string {
  return Object.entries(of.methods)
    .map(([name, method]) => [...methodLines(of, name, method)].join('\n'))
    .join('\n\n');
}

function* methodLines(of: ObjectSchema, name: string, method: Method): IterableIterator<string> {
  yield `#define ${methodName(of, name)} ${method.id} ${comment(method.text)}`;
  for (const [label, attribute] of Object.entries(method.attributes)) {
    const { id, type, direction, mandatory, text } = attribute;
    const duty = `${type.kind}${mandatory ? '' : ', optional'}, ${direction}`;
    yield `#define ${attributeName(of, name, label)} ${hex(id)} ${comment(`${duty}: ${text}`)}`;
    for (const [value, number] of Object.entries(namesOf(type))) {
      yield `#define ${valueName(of, name, label, value)} ${hex(number)}u`;
    }
  }
}

function layoutText({ name, text, bytes, members }: Layout): string {
  const lines = Object.entries(members).map(
    ([member, kind]) => `\t${C_MEMBERS[kind].replace('NAME', memberName(member))};`,
  );
  return structText(`vb_${memberName(name)}`, text, bytes, lines);
}

// biome-ignore lint/suspicious/noExplicitAny: any declared structure
function entryText({ name, bytes, members }: Struct<any>, text: string): string {
  let reserved = 0;
  const list = Object.entries(members as Readonly<Record<string, { kind: string; bytes: number; text: string }>>);
  const lines = list.map(([member, { kind, bytes: size, text: about }]) => {
    const note = ` ${comment(about)}`;
    if (kind !== 'pad') return `\t${kind === 'u16' ? 'uint16_t' : 'uint32_t'} ${memberName(member)};${note}`;
    return `\tuint8_t ${member === '_payload' ? 'payload' : `reserved${reserved++}`}[${size}];${note}`;
  });
  return structText(`vb_${memberName(name)}`, text, bytes, lines);
}

const structText = (name: string, text: string, bytes: number, lines: readonly string[]): string =>
  [
    comment(text),
    `struct ${name} {`,
    ...lines,
    '} __attribute__((packed));',
    `VB_SIZE(struct ${name}, ${bytes});`,
  ].join('\n');

const comment = (text: string): string => `/* ${text.replaceAll('*/', '* /')} */`;
const hex = (value: number): string => (value < 10 ? String(value) : `0x${value.toString(16)}`);
const section = (title: string, text: string): string => `/* ---- ${title} ---- */\n\n${text}`;
const numbered = (names: readonly string[]) => Object.fromEntries(names.map((name, i) => [name, i]));
const defines = (prefix: string, values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `#define ${prefix}${constantName(name)} ${value}`)
    .join('\n');

const C_MEMBERS = { u32: 'uint32_t NAME', size: 'uint64_t NAME', address: 'uint8_t NAME[16]' } as const;
const SIZES = {
  REQUEST_BYTES,
  ANSWER_BYTES,
  ATTRIBUTE_BYTES,
  MAX_MESSAGE_BYTES,
  ATTRIBUTE_MANDATORY: AttributeFlag.MANDATORY,
  DRIVER_IDS,
};

const HEAD = `/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user API of Verbena. Made from the schema by \`npm run uapi\`: change the schema, not this file.
 *
 * A request and its answer are one message each. Attributes hold their values; memory and descriptors travel beside
 * the message, over a socket as SCM_RIGHTS, and attributes name them by position. All numbers are little-endian.
 * docs/uapi.md is the reference; example.c beside this file is a program that uses it.
 */
#ifndef VERBENA_H
#define VERBENA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "this header is for little-endian machines"
#endif

#ifdef __cplusplus
extern "C" {
#define VB_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type)
#else
#define VB_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#endif`;

const FRAMES = [
  structText('vb_request', 'In front of the attributes of a request.', REQUEST_BYTES, [
    '\tuint32_t length; /* of the whole message */',
    '\tuint16_t object;',
    '\tuint16_t method;',
    '\tuint16_t attributes; /* how many follow */',
    '\tuint16_t reserved0;',
    '\tuint32_t context; /* 0 before a device is open */',
    '\tuint32_t driver; /* as DEVICE.OPEN gave it; 0 without a context */',
    '\tuint32_t cookie; /* comes back in the answer */',
    '\tuint32_t room; /* most bytes of the answer that are taken */',
    '\tuint32_t reserved1;',
  ]),
  structText('vb_answer', 'In front of the attributes of an answer.', ANSWER_BYTES, [
    '\tuint32_t length; /* of the whole message */',
    '\tuint16_t error; /* 0, or one of VB_E*: then the attributes are texts, VB_ERROR_* */',
    '\tuint16_t attributes; /* how many follow */',
    '\tuint32_t cookie;',
    '\tuint32_t reserved;',
  ]),
  structText('vb_attribute', 'In front of a value, which is padded to 8 bytes.', ATTRIBUTE_BYTES, [
    '\tuint16_t id;',
    '\tuint16_t flags; /* VB_ATTRIBUTE_MANDATORY: fail where the attribute is not known */',
    '\tuint32_t length; /* of the value, without padding */',
  ]),
].join('\n\n');

const RINGS = [
  `/* A ring begins with its indices, each in a cache line of its own; entries follow. */
#define VB_RING_HEADER_BYTES ${RING_HEADER_BYTES}
#define VB_RING_PRODUCER_AT 0
#define VB_RING_CONSUMER_AT ${RING_HEADER_BYTES / 4}
#define VB_RING_ARMED_AT ${RING_HEADER_BYTES / 2}
#define VB_RING_ERROR_AT ${(3 * RING_HEADER_BYTES) / 4}
#define VB_PAYLOAD_AT ${PAYLOAD_AT}
#define VB_DOORBELL_PAGE_BYTES ${DOORBELL_PAGE_BYTES}`,
  defines('VB_RING_ERROR_', RingError),
  defines('VB_SEND_', SendFlag),
  defines('VB_COMPLETION_', CompletionFlag),
  entryText(SegmentEntry, 'A stretch of registered memory.'),
  entryText(SendEntry, 'A send request.'),
  entryText(ReceiveEntry, 'A receive.'),
  entryText(CompletionEntry, 'A completion.'),
].join('\n\n');
