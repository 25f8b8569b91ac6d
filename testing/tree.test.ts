/** What the tree itself must keep: owners, documents that name everything, parts that stay in their place. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TRANSPORTS, UAPI } from '@verbena/core';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const text = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');

describe('the tree', () => {
  it('has an owner for every transport, and for every folder of the core (R009)', () => {
    const owners = text('OWNERS.md');
    for (const { name } of TRANSPORTS) expect(owners, name).toContain(`packages/core/src/transports/${name}`);
    const folders = readdirSync(`${ROOT}packages/core/src`, { withFileTypes: true })
      .filter((one) => one.isDirectory() && one.name !== 'transports' && one.name !== 'wire' && one.name !== 'cc')
      .map((one) => one.name);
    for (const folder of folders) expect(owners, folder).toContain(folder);
  });

  it('argues every common object with at least two users or a reason, and keeps private ones with their driver (R011 R013 R073)', () => {
    const page = text('decisions/0015-common-objects.md');
    for (const name of Object.keys(UAPI)) expect(page, name).toContain(`\`${name}\``);
    expect(page).toContain('Where we differ from the model');
    expect(text('OWNERS.md')).toContain('Is a driver object used where no core object fits');
  });

  it('lists user-visible objects with their relations in the generated reference (R039)', () => {
    const page = text('docs/uapi.md');
    for (const { name, text: sentence } of Object.values(UAPI)) {
      expect(page, name).toContain(name);
      expect(page, name).toContain(sentence);
    }
  });

  it('says for each device what plays protection domain, queue pair and memory region, and what a driver must bring (R172 R175)', () => {
    const page = text('docs/drivers.md');
    for (const word of ['EFA', 'Habana', 'mlx5', 'PD', 'QP', 'MR', 'ping-pong', 'driverSuite'])
      expect(page, word).toContain(word);
  });

  it('has one place for each service: no transport is imported outside of its folder and the catalog (R223 R207)', () => {
    const rules = text('.dependency-cruiser.cjs');
    expect(rules).toContain('catalog-alone');
    // one rule for each folder that there is
    expect(rules).toContain("readdirSync('packages/core/src/transports')");
    for (const { name } of TRANSPORTS)
      expect(existsSync(`${ROOT}packages/core/src/transports/${name}`), name).toBe(true);
  });

  it('publishes the user library, and beside it only what other libraries and tests build on (R062)', () => {
    const { exports } = JSON.parse(text('packages/core/package.json')) as { exports: Record<string, unknown> };
    expect(Object.keys(exports).sort()).toEqual([
      '.',
      './abi',
      './cm',
      './fabric',
      './include/*',
      './testing',
      './uapi',
      './wire',
    ]);
  });

  it('has a page, a conformance test and a dissector for every transport (R225)', () => {
    for (const { name } of TRANSPORTS) {
      expect(existsSync(`${ROOT}docs/transports/${name}.md`), name).toBe(true);
      expect(existsSync(`${ROOT}packages/core/src/transports/${name}/conformance.test.ts`), name).toBe(true);
    }
  });
});
