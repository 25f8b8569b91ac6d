/**
 * What the libraries export. Programs are built on these names: a name that is gone breaks them.
 *
 *   npx vitest run testing/requirements/api.test.ts -u     writes the files anew, after a name was added
 */
import * as core from '@verbena/core';
import * as cm from '@verbena/core/cm';
import * as fabric from '@verbena/core/fabric';
import * as node from '@verbena/node';
import { describe, expect, it } from 'vitest';

/** One line for each export, and one for each public member of the classes among them. */
function namesOf(library: Readonly<Record<string, unknown>>): string[] {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(library)) {
    if (typeof value !== 'function') {
      lines.push(`${name}: ${typeof value}`);
      continue;
    }
    const members = Object.getOwnPropertyDescriptors((value as { prototype?: object }).prototype ?? {});
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    lines.push(`${name}: ${isClass ? 'class' : 'function'}`);
    if (!isClass) continue;
    for (const [member, { value: method }] of Object.entries(members)) {
      if (member !== 'constructor') lines.push(`${name}.${member}${typeof method === 'function' ? '()' : ''}`);
    }
  }
  return lines.sort();
}

describe.each([
  ['@verbena/core', 'core.txt', core],
  ['@verbena/core/cm', 'cm.txt', cm],
  ['@verbena/core/fabric', 'fabric.txt', fabric],
  ['@verbena/node', 'node.txt', node],
])('the names of %s', (_, file, library) => {
  it('are those that were published: none is gone, and a new one is written down (R173)', async () => {
    await expect(`${namesOf(library).join('\n')}\n`).toMatchFileSnapshot(`./api/${file}`, UPDATE);
  });
});

const UPDATE = 'put back what is gone; for what is new: npx vitest run testing/requirements/api.test.ts -u';
