/** The numbers of the user API as lines of text: what may never change, because programs are built on it. */
import type { AttributeType, ObjectSchema } from './schema.ts';

/**
 * One line for each object, method, attribute and named value, sorted by number. Two versions that are compatible
 * differ in added lines only.
 */
export function snapshotOf(objects: readonly ObjectSchema[]): string[] {
  const lines: string[] = [];
  for (const one of [...objects].sort(byId)) {
    lines.push(`${one.name} = ${one.id}`);
    for (const [name, { id, attributes }] of Object.entries(one.methods).sort(([, a], [, b]) => a.id - b.id)) {
      lines.push(`${one.name}.${name} = ${id}`);
      for (const [label, { id: number, type, direction, mandatory }] of Object.entries(attributes).sort(
        ([, a], [, b]) => a.id - b.id,
      )) {
        const duty = mandatory ? '' : ' optional';
        lines.push(`${one.name}.${name}.${label} = ${number} ${direction} ${typeText(type)}${duty}`);
        for (const [value, bits] of Object.entries(namesOf(type))) {
          lines.push(`${one.name}.${name}.${label}.${value} = ${bits}`);
        }
      }
    }
  }
  return lines;
}

/** What a new version took from an old one; empty when programs of the old one work with the new one. */
export const lostLines = (old: readonly string[], now: readonly string[]): string[] => {
  const kept = new Set(now);
  return old.filter((line) => line !== '' && !kept.has(line));
};

/** A type in words, as the reference page and the snapshot have it. */
export function typeText(type: AttributeType): string {
  switch (type.kind) {
    case 'handle':
      return `handle(${type.object}, ${type.access})`;
    case 'handles':
      return `handles(${type.object}, ${type.access})`;
    case 'struct':
      return `struct(${type.layout.name}: ${Object.entries(type.layout.members)
        .map(([name, kind]) => `${name} ${kind}`)
        .join(', ')})`;
    default:
      return type.kind;
  }
}

/** Names of bits or choices. */
export function namesOf(type: AttributeType): Readonly<Record<string, number>> {
  if (type.kind === 'flags') return type.bits;
  return type.kind === 'choice' ? type.values : {};
}

const byId = (a: { id: number }, b: { id: number }): number => a.id - b.id;
