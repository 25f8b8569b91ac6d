/** docs/uapi.md: every object, method and attribute. */
import {
  ADDRESS,
  type Attribute,
  type AttributeType,
  type Layout,
  MEMORY,
  type Method,
  namesOf,
  type ObjectSchema,
} from '@verbena/core/uapi';

export function referencePage(programs: readonly ObjectSchema[], tools: readonly ObjectSchema[]): string {
  return [
    INTRODUCTION,
    '## Structures\n',
    ...[MEMORY, ADDRESS].map(layoutText),
    '## Objects of programs\n',
    ...programs.map(objectText),
    '## Objects of tools: the management channel\n',
    'They have numbers from 0x100 and no context. Reading needs no right; what changes something says which one it needs.\n',
    ...tools.map(objectText),
  ].join('\n');
}

function objectText(of: ObjectSchema): string {
  const head = `### ${of.name} (${number(of.id)})\n\n${of.text} Counted as \`${of.plural}\`, listed as \`${of.short}\`.\n`;
  return [head, ...Object.entries(of.methods).map(([name, method]) => methodText(of, name, method))].join('\n');
}

function methodText(of: ObjectSchema, name: string, method: Method): string {
  const { id, text, attributes, right, shell } = method;
  const notes = [
    text,
    ...(right === undefined ? [] : [`Needs the right \`${right}\`.`]),
    ...(shell === true ? ['Also answered when the device is gone.'] : []),
  ];
  const lines = [`#### ${of.name}.${name} (${id})\n`, `${notes.join(' ')}\n`];
  const rows = Object.entries(attributes);
  if (rows.length === 0) return [...lines, 'No attributes.\n'].join('\n');
  lines.push('| attribute | id | direction | type | needed | what it is |', '| --- | --- | --- | --- | --- | --- |');
  lines.push(...rows.map(([label, attribute]) => attributeText(label, attribute)));
  return `${lines.join('\n')}\n`;
}

function attributeText(label: string, { id, direction, type, mandatory, text }: Attribute): string {
  const values = Object.entries(namesOf(type)).map(([name, value]) => `${name} ${value}`);
  const what = [text, ...(values.length === 0 ? [] : [values.join(', ')])].join(': ').replaceAll('|', '\\|');
  const needed = direction === 'out' ? (mandatory ? 'always' : 'maybe') : mandatory ? 'yes' : 'no';
  return `| \`${label}\` | ${number(id)} | ${direction} | ${typeText(type)} | ${needed} | ${what} |`;
}

function typeText(type: AttributeType): string {
  switch (type.kind) {
    case 'u32':
      return type.max === undefined ? 'u32' : `u32 up to ${type.max}`;
    case 'size':
      return type.max === undefined ? 'size' : `size up to ${type.max}`;
    case 'text':
      return `text, ${type.max} bytes`;
    case 'bytes':
      return type.min === type.max ? `${type.max} bytes` : `bytes, ${type.min} to ${type.max}`;
    case 'numbers':
      return `u32 list, up to ${type.max}`;
    case 'handle':
      return `${type.object}, ${type.access}`;
    case 'handles':
      return `${type.object} list, ${type.access}, up to ${type.max}`;
    case 'struct':
      return `struct ${type.layout.name}`;
    case 'flags':
      return type.ignoreUnknown === true ? 'flags, unknown ones ignored' : 'flags';
    default:
      return type.kind;
  }
}

function layoutText({ name, text, bytes, members }: Layout): string {
  const rows = Object.entries(members).map(([member, kind]) => `| \`${member}\` | ${kind} |`);
  return [
    `### ${name}\n`,
    `${capital(text)}; ${bytes} bytes.\n`,
    '| member | type |',
    '| --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
const number = (value: number): string => (value < 0x100 ? String(value) : `0x${value.toString(16)}`);

const INTRODUCTION = `# The user API

Made from the schema by \`npm run uapi\`. Do not edit: change \`packages/core/src/uapi\`.

One call is one message and one answer, the same bytes in one process, over a socket, and from C
(\`packages/core/include/verbena.h\`). All numbers are little-endian. Numbers are only ever added; those from 0x1000
belong to the driver of the device.

| message | bytes |
| --- | --- |
| request | u32 length, u16 object, u16 method, u16 attributes, u16 0, u32 context, u32 driver, u32 cookie, u32 room for the answer, u32 0; then attributes |
| answer | u32 length, u16 error number, u16 attributes, u32 cookie, u32 0; then attributes |
| attribute | u16 id, u16 flags, u32 length of the value; the value; zeros up to a multiple of 8 |

Flag 1 of an attribute says that the call fails where the attribute is not known; without it, it is ignored there.
A call that answers an error has done nothing. \`EPROTONOSUPPORT\` always means "not there".

## Types

| type | value |
| --- | --- |
| u32, flags, choice, handle | 4 bytes |
| u64, size | 8 bytes; a size is at most 2^53 |
| text | UTF-8 |
| struct | its members without gaps; longer ones are accepted when the rest is zero |
| list | 4 bytes each |
| row, rows | named, typed values, see \`packages/core/src/uapi/rows.ts\` |

A handle is read (shared), write (exclusive), new (made by the call), or destroy (ended by the call). Conflicts answer
\`EBUSY\` at once.

## Errors of every call

| condition | error |
| --- | --- |
| message cut off, lengths that do not fit, wrong driver, no such context | EINVAL |
| reserved field of the header not zero; object or method not there; unknown attribute with flag 1 | EPROTONOSUPPORT |
| attribute twice, missing, too short, too long, above its limit; unknown required flag | EINVAL |
| unknown choice; a longer structure whose rest is not zero | EOPNOTSUPP |
| a size above 2^53 | EOVERFLOW |
| handle of another kind, or that cannot be one | EINVAL |
| handle of nothing, or of an object that is gone | ENOENT |
| attachment that did not come with the call | EBADF |
| object in use by another call, or needed by other objects | EBUSY |
| a right that the caller does not have | EPERM |
| a limit of the resource group | EAGAIN |
| a limit of registered memory | ENOMEM |
| a table that is full; no room for the answer | ENOSPC |
| device gone or failed | EIO |

An error carries texts as attributes of the answer: 0 call, 1 problem, 2 object, 3 given, 4 missing, 5 try, 6 see.
`;
