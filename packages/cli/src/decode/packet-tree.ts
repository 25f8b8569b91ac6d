/** A dissected packet as a tree of lines, and as a JSON document. */
import type { Dissected, FieldNode, Layer, Remark } from '@verbena/core/wire';
import type { Frame } from './frame-source.ts';

/** Each field on a line: where it is, its bytes, its name and its value. */
export function treeLines(frame: Frame, packet: Dissected): string[] {
  const cut = frame.originalLength > frame.data.length ? ` (of ${frame.originalLength} on the wire)` : '';
  const facts = [
    `${frame.data.length} bytes${cut}`,
    timeText(frame.timestampNs),
    frame.direction ?? '',
    frame.comment ?? '',
  ];
  const lines = [`frame ${frame.number}: ${facts.filter((fact) => fact !== '').join(', ')}`];
  for (const layer of packet.layers) {
    lines.push(`  ${layer.header} (${layer.section}), ${layer.length} bytes at ${layer.offset}`);
    for (const field of layer.fields) lines.push(fieldLine(frame.data, field));
  }
  if (packet.payloadLength > 0) lines.push(`  payload, ${packet.payloadLength} bytes`);
  if (packet.trimmed) lines.push('  trimmed by a switch');
  for (const note of packet.notes) lines.push(`  note     ${remarkText(note)}`);
  for (const problem of packet.problems) lines.push(`  problem  ${remarkText(problem)}`);
  return lines;
}

/** Keys are fixed: `frame`, `protocols`, `fields` (header, then name to value), `problems`. */
export function packetDocument(frame: Frame, packet: Dissected): Record<string, unknown> {
  return {
    frame: frame.number,
    protocols: packet.protocols,
    fields: fieldsOf(packet.layers),
    problems: packet.problems,
    notes: packet.notes,
    length: frame.originalLength,
    captured_length: frame.data.length,
    payload_length: packet.payloadLength,
    trimmed: packet.trimmed,
    ...(frame.timestampNs === undefined ? {} : { timestamp_ns: String(frame.timestampNs) }),
    ...(frame.direction === undefined ? {} : { direction: frame.direction }),
  };
}

export function remarkText({ offset, field, text }: Remark): string {
  return `at byte ${offset}, ${field}: ${text}`;
}

/** Wall-clock time of a capture, UTC, to the nanosecond. */
export function timeText(timestampNs: bigint | undefined): string {
  if (timestampNs === undefined) return '';
  const seconds = timestampNs / 1_000_000_000n;
  if (seconds > LAST_SECOND) return `${seconds} s`;
  const fraction = String(timestampNs % 1_000_000_000n).padStart(9, '0');
  return new Date(Number(seconds) * 1000).toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
}

function fieldLine(data: Uint8Array, { offset, bit, bits, name, text, value }: FieldNode): string {
  const bytes = data.subarray(offset, offset + Math.ceil((bit + bits) / 8));
  const hex = Array.from(bytes.subarray(0, SHOWN_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const more = bytes.length > SHOWN_BYTES ? ' ..' : '';
  const shown = typeof value === 'number' && text !== String(value) ? `${value} (${text})` : text;
  return `    ${offset.toString(16).padStart(4, '0')}  ${(hex + more).padEnd(SHOWN_BYTES * 3 + 2)} ${name} = ${shown}`;
}

function fieldsOf(layers: readonly Layer[]): Record<string, Record<string, number | string>> {
  const fields: Record<string, Record<string, number | string>> = {};
  for (const layer of layers) {
    let key = layer.header;
    for (let n = 2; key in fields; n++) key = `${layer.header} ${n}`;
    fields[key] = Object.fromEntries(
      layer.fields.map(({ name, value, text }) => [name, isAddress(name) ? text : value]),
    );
  }
  return fields;
}

function isAddress(name: string): boolean {
  return name === 'source' || name === 'destination';
}

const SHOWN_BYTES = 8;
const LAST_SECOND = 8_640_000_000_000n;
