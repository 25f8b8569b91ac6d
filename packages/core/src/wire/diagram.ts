/** Bit diagrams and field tables of declared headers, as Markdown for the documentation. */
import { type AnyHeader, describe, type FieldInfo, type HeaderInfo } from './header.ts';

/** A heading line, the bit diagram and the table of fields. */
export function diagram(declared: AnyHeader): string {
  const info = describe(declared);
  const title = `${info.name}: ${info.byteLength} bytes (${info.section})`;
  return [title, '', '```', ...rows(info), '```', '', ...table(info)].join('\n');
}

/** 32 bits to a line, two characters to a bit. Fields longer than a line run on. */
function rows(info: HeaderInfo): string[] {
  const total = info.byteLength * 8;
  const lines = [
    ' 0                   1                   2                   3',
    ' 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1',
  ];
  for (let start = 0; start < total; start += LINE_BITS) {
    const end = Math.min(start + LINE_BITS, total);
    lines.push(`+${'-+'.repeat(end - start)}`);
    let line = '|';
    for (const field of info.fields) {
      const from = Math.max(field.bit, start);
      const to = Math.min(field.bit + field.bits, end);
      if (from < to) line += `${label(field, from, (to - from) * 2 - 1)}|`;
    }
    lines.push(line);
  }
  lines.push(`+${'-+'.repeat(((total - 1) % LINE_BITS) + 1)}`);
  return lines;
}

function label(field: FieldInfo, from: number, room: number): string {
  const name = field.reserved ? '' : from === field.bit ? field.name : '…';
  const shown = name.length <= room ? name : name.slice(0, room);
  const left = (room - shown.length) >> 1;
  return ' '.repeat(left) + shown + ' '.repeat(room - shown.length - left);
}

function table(info: HeaderInfo): string[] {
  const lines = ['| byte | bits | field | meaning |', '| --- | --- | --- | --- |'];
  for (const field of info.fields) {
    const inByte = field.bit % 8 === 0 ? '' : `.${field.bit % 8}`;
    const name = field.reserved ? 'reserved' : `\`${field.name}\``;
    const unit = field.unit === undefined ? '' : ` (unit: ${field.unit})`;
    const signed = field.signed === true ? ' signed' : '';
    const meaning = field.reserved ? 'sent as 0, ignored on receipt' : `${field.doc}${unit}`;
    lines.push(`| ${field.bit >> 3}${inByte} | ${field.bits}${signed} | ${name} | ${meaning} |`);
  }
  return lines;
}

const LINE_BITS = 32;
