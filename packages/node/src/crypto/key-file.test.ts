import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isVerbsError } from '@verbena/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileCounters } from './file-counters.ts';
import { readKeyFile } from './key-file.ts';

const KEY = '404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f';
const NEXT = KEY.replaceAll('4', '6');

describe('a key file', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'verbena-'));
    file = join(folder, 'keys.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (value: unknown, mode = 0o600) => {
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    chmodSync(file, mode);
  };
  const thrown = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      if (!isVerbsError(error)) throw error;
      return error.explain();
    }
    throw new Error('nothing was refused');
  };
  const domain = (more: object) => ({ domains: [{ sdi: 7, mode: 'direct', keys: [{ key: KEY }], ...more }] });

  test('gives domains with their keys, and shows none of these (uet:tss/16, uet:tss/20)', () => {
    write({
      domains: [
        {
          sdi: 7,
          mode: 'cluster',
          rekeyMask: '0xffff00000000',
          rekeyShift: 32,
          keys: [{ key: KEY }, { key: NEXT, epoch: 3, active: true }],
        },
        { sdi: 8, mode: 'client', ssi: 9, keys: [{ key: KEY + KEY.slice(0, 24), an: 1 }] },
      ],
    });
    const store = readKeyFile(file);
    expect(store.rows()).toMatchObject([
      { sdi: 7, mode: 'cluster', tx_an: 1, key_0: 'epoch 0', key_1: 'epoch 3' },
      { sdi: 8, mode: 'client', ssi: 9, tx_an: 1, key_0: 'empty', key_1: 'epoch 0' },
    ]);
    expect(JSON.stringify(store) + JSON.stringify(store.rows())).not.toMatch(/4041|6061|64,65/);
  });

  test('is for its owner alone, and so is the folder to write (uet:tss/16)', () => {
    for (const mode of [0o640, 0o604, 0o660, 0o644]) {
      write(domain({}), mode);
      expect(thrown(() => readKeyFile(file))).toMatch(/EACCES(.|\n)*read by others(.|\n)*chmod 0600/);
    }
    write(domain({}));
    chmodSync(folder, 0o722);
    expect(thrown(() => readKeyFile(file))).toMatch(/EACCES(.|\n)*changed by others/);
    chmodSync(folder, 0o700);
    expect(readKeyFile(file).table.size).toBe(1);
    expect(thrown(() => readKeyFile(join(folder, 'none')))).toMatch(/ENOENT/);
    mkdirSync(join(folder, 'sub'), 0o700);
    expect(thrown(() => readKeyFile(join(folder, 'sub')))).toMatch(/EACCES|EINVAL/);
  });

  test('says what is wrong, without what it says of keys (uet:tss/20)', () => {
    for (const [value, problem] of [
      [`{"domains":[{"sdi":7,"mode":"direct","keys":[{"key":"${KEY}"`, /EINVAL.*is no JSON$/m],
      [domain({ keys: [{ key: KEY.slice(1) }] }), /EINVAL.*domains.0.keys.0.key: must be 64/],
      [domain({ keys: [{ key: `${KEY.slice(1)}g` }] }), /EINVAL.*must be 64/],
      [domain({ keys: [{ key: KEY, [KEY]: 1 }] }), /EINVAL.*has a name that is not known/],
      [domain({ keys: [] }), /EINVAL/],
      [domain({ sdi: 0 }), /EINVAL.*sdi/],
      [domain({ mode: 'server', ssi: 4 }), /EINVAL.*source identifier of the client/],
      [domain({ keys: [{ key: KEY + KEY.slice(0, 24) }] }), /EINVAL.*has 32 bytes, not 44/],
      [domain({ keys: [{ key: KEY }, { key: KEY }] }), /EEXIST.*was here before/],
      [{ domains: [domain({}).domains[0], domain({}).domains[0]] }, /EEXIST/],
    ] as const) {
      write(value);
      const text = thrown(() => readKeyFile(file));
      expect(text).toMatch(problem);
      expect(text).not.toMatch(/4041|4243|5c5d/);
    }
  });

  test('goes on with its counters where they ended, also when it is read twice (uet:tss/12, N13)', () => {
    write(domain({}));
    for (let n = 0; n < 3; n++) {
      const store = readKeyFile(file);
      const slot = store.table.get(7).sending!;
      expect([slot.take(), slot.take()]).toEqual([n * 2 ** 24, n * 2 ** 24 + 1]);
    }
    const kept = readFileSync(`${file}.counters`, 'utf8');
    expect(kept).not.toContain(KEY.slice(0, 8));
  });
});

describe('a file of counters', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'verbena-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('gives no value twice, whoever shares it, over lines that a crash cut short (uet:tss/12)', () => {
    const path = join(folder, 'counters');
    const stores = [new FileCounters(path), new FileCounters(path), new FileCounters(path)];
    const taken = new Map<string, number>();
    for (let n = 0; n < 60; n++) {
      const id = n % 3 === 0 ? 'aa' : 'bb';
      const first = stores[n % 3]!.reserve(id, 10 + n);
      expect(first).toBe(taken.get(id) ?? 0);
      taken.set(id, first + 10 + n);
      if (n % 7 === 0) writeFileSync(path, `aa 99`, { flag: 'a' });
      if (n % 11 === 0) writeFileSync(path, `garbage without end`, { flag: 'a' });
    }
  });

  test('gives none when it cannot be written, is for others too, or is too long (uet:tss/12)', () => {
    const path = join(folder, 'counters');
    const store = new FileCounters(path);
    expect(store.reserve('aa', 5)).toBe(0);
    chmodSync(path, 0o640);
    expect(store.reserve('aa', 5)).toBe(-1);
    expect(() => new FileCounters(path)).toThrow('EACCES');
    chmodSync(path, 0o600);
    expect(store.reserve('aa', 5)).toBe(5);
    writeFileSync(path, Buffer.alloc(17 * 2 ** 20));
    expect(store.reserve('aa', 5)).toBe(-1);
    expect(() => new FileCounters(join(folder, 'none', 'counters'))).toThrow('EACCES');
  });
});
