import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileSource } from './file-source.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-source-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function sourceOf(name: string): Promise<[string, FileSource]> {
  const path = join(folder, name);
  writeFileSync(path, 'x'.repeat(1000));
  return [path, await FileSource.open(path)];
}

describe('a file that changes while it is read', () => {
  it('became shorter', async () => {
    const [path, source] = await sourceOf('shorter');
    truncateSync(path, 500);
    await expect(source.read(new Uint8Array(1000), 0)).rejects.toThrow(/ends at byte 500, not at 1000/);
    await source.close();
  });

  it('became longer', async () => {
    const [path, source] = await sourceOf('longer');
    appendFileSync(path, 'y');
    await source.read(new Uint8Array(1000), 0);
    await expect(source.checkUnchanged()).rejects.toThrow(/1001 bytes now, it had 1000/);
    await source.close();
  });

  it('did not change', async () => {
    const [, source] = await sourceOf('same');
    const into = new Uint8Array(10);
    await source.read(into, 990);
    expect(Buffer.from(into).toString()).toBe('x'.repeat(10));
    await source.checkUnchanged();
    await source.close();
  });
});
