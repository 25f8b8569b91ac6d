import { describe, expect, it } from 'vitest';
import { type CpioEntry, writeCpio } from './cpio.ts';

describe('the cpio writer', () => {
  it('writes what an independent reading of the form finds again', () => {
    const entries: CpioEntry[] = [
      { path: 'init', kind: 'file', bytes: Buffer.from('#!/bin/sh\n'), executable: true },
      { path: 'etc/empty', kind: 'file', bytes: new Uint8Array(0) },
      { path: 'lib/x.so', kind: 'link', target: 'x.so.1' },
      { path: 'dev/console', kind: 'device', major: 5, minor: 1 },
    ];
    const found = readCpio(writeCpio(entries));
    expect(found.map(({ name, mode }) => [name, mode.toString(8)])).toEqual([
      ['init', '100755'],
      ['etc', '40755'],
      ['etc/empty', '100644'],
      ['lib', '40755'],
      ['lib/x.so', '120777'],
      ['dev', '40755'],
      ['dev/console', '20600'],
      ['TRAILER!!!', '0'],
    ]);
    expect(found[0]!.data).toBe('#!/bin/sh\n');
    expect(found[4]!.data).toBe('x.so.1');
    expect(found[6]!.device).toEqual([5, 1]);
  });

  it('pads names and contents of every length to four bytes', () => {
    for (let length = 1; length <= 9; length++) {
      const path = 'n'.repeat(length);
      const bytes = new Uint8Array(length).fill(65);
      const [file, trailer] = readCpio(writeCpio([{ path, kind: 'file', bytes }]));
      expect(file).toMatchObject({ name: path, data: 'A'.repeat(length) });
      expect(trailer?.name).toBe('TRAILER!!!');
    }
  });

  it('gives every entry an inode of its own, so that none is taken for a hard link', () => {
    const found = readCpio(writeCpio([{ path: 'a/b/c', kind: 'folder' }]));
    const inodes = found.slice(0, -1).map(({ inode }) => inode);
    expect(new Set(inodes).size).toBe(3);
  });

  it('refuses absolute paths and paths that stand twice, but takes a folder twice', () => {
    const file = (path: string): CpioEntry => ({ path, kind: 'file', bytes: new Uint8Array(1) });
    expect(() => writeCpio([file('/init')])).toThrow('not relative');
    expect(() => writeCpio([file('a/b'), file('a/b')])).toThrow('stands twice');
    expect(() => writeCpio([file('a/b'), { path: 'a', kind: 'folder' }])).not.toThrow();
  });
});

interface Found {
  name: string;
  inode: number;
  mode: number;
  data: string;
  device: [major: number, minor: number];
}

/** Reads by the description of the form alone: 110 bytes of hexadecimal fields, name, data, each padded to four bytes. */
function readCpio(archive: Uint8Array): Found[] {
  const text = Buffer.from(archive).toString('latin1');
  const found: Found[] = [];
  let at = 0;
  while (at < text.length) {
    expect(text.slice(at, at + 6)).toBe('070701');
    const field = (index: number) => Number.parseInt(text.slice(at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameBytes = field(11);
    const name = text.slice(at + 110, at + 110 + nameBytes - 1);
    const start = at + ((110 + nameBytes + 3) & ~3);
    const data = text.slice(start, start + field(6));
    found.push({ name, inode: field(0), mode: field(1), data, device: [field(9), field(10)] });
    at = start + ((field(6) + 3) & ~3);
  }
  expect(at).toBe(text.length);
  return found;
}
