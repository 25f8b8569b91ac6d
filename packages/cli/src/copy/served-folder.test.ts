import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServedFolder } from './served-folder.ts';

let base: string;
let root: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'verbena-folder-'));
  root = join(base, 'served');
  mkdirSync(join(root, 'sub'), { recursive: true });
  writeFileSync(join(base, 'secret'), 'secret');
  writeFileSync(join(root, 'file'), 'hello');
  symlinkSync('../secret', join(root, 'link-out'));
  symlinkSync('/etc', join(root, 'etc'));
  symlinkSync('../nowhere', join(root, 'dangling'));
  symlinkSync('file', join(root, 'link-in'));
  symlinkSync('..', join(root, 'up'));
});

afterEach(() => rmSync(base, { recursive: true }));

const OPTIONS = { force: false, sync: false };

describe('the wall around a served folder', () => {
  it.each([
    ['../secret', 'EACCES'],
    ['sub/../../secret', 'EACCES'],
    ['sub/..', 'EACCES'],
    ['/etc/passwd', 'EACCES'],
    ['link-out', 'EACCES'],
    ['etc/passwd', 'EACCES'],
    ['up/secret', 'EACCES'],
    ['dangling', 'EACCES'],
    ['nope', 'ENOENT'],
    ['file/x', 'EINVAL'],
    ['sub', 'EINVAL'],
    ['', 'EINVAL'],
    ['a\0b', 'EINVAL'],
    [`${'x'.repeat(300)}`, 'EINVAL'],
  ])('reading %j is refused', async (name, code) => {
    const folder = await ServedFolder.open(root, true);
    await expect(folder.source(name)).rejects.toMatchObject({ code });
  });

  it('follows links that stay inside', async () => {
    const folder = await ServedFolder.open(root, false);
    for (const name of ['file', './sub/.//../file'.replace('..', '.').replace('sub/', ''), 'link-in']) {
      const source = await folder.source(name);
      expect(source.size).toBe(5);
      await source.close();
    }
  });

  it.each([
    ['../new', 'EACCES'],
    ['etc/new', 'EACCES'],
    ['up/new', 'EACCES'],
    ['/new', 'EACCES'],
    ['nope/new', 'ENOENT'],
    ['file', 'EEXIST'],
    ['link-out', 'EINVAL'],
    ['link-in', 'EINVAL'],
    ['dangling', 'EINVAL'],
  ])('writing %j is refused', async (name, code) => {
    const folder = await ServedFolder.open(root, true);
    await expect(folder.sink(name, 'x', OPTIONS)).rejects.toMatchObject({ code });
  });

  it.each(['../x', 'a/b', '..', '', '/x'])('the file name %j of a peer is refused', async (fileName) => {
    const folder = await ServedFolder.open(root, true);
    await expect(folder.sink('sub', fileName, OPTIONS)).rejects.toThrow();
    expect(readdirSync(join(root, 'sub'))).toEqual([]);
  });

  it('writes nothing when it is read-only', async () => {
    const folder = await ServedFolder.open(root, false);
    await expect(folder.sink('new', 'x', OPTIONS)).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('gives a file its name only when it is complete', async () => {
    const folder = await ServedFolder.open(root, true);
    const sink = await folder.sink('sub', 'new', OPTIONS);
    await sink.write(Buffer.from('data'), 0);
    expect(readdirSync(join(root, 'sub'))).not.toContain('new');
    await sink.commit();
    expect(readdirSync(join(root, 'sub'))).toEqual(['new']);
    expect(readFileSync(join(root, 'sub/new'), 'utf8')).toBe('data');
  });

  it('does not overwrite a file that appeared meanwhile', async () => {
    const folder = await ServedFolder.open(root, true);
    const sink = await folder.sink('new', 'x', OPTIONS);
    writeFileSync(join(root, 'new'), 'other');
    await expect(sink.commit()).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(join(root, 'new'), 'utf8')).toBe('other');
    expect(readdirSync(root).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});
