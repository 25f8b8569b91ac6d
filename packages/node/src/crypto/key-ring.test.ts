import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { clientKey, isVerbsError } from '@verbena/core';
import { parseAddress } from '@verbena/core/wire';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readKeyFile } from './key-file.ts';
import { KeyRing } from './key-ring.ts';
import { NodeCipher } from './node-cipher.ts';

describe('a key ring', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'verbena-'));
    file = join(folder, 'keys.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const made = (...args: Parameters<KeyRing['add']>): KeyRing => {
    const ring = KeyRing.empty();
    ring.add(...args);
    return ring;
  };
  const codeOf = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      if (isVerbsError(error)) return error.code;
      throw error;
    }
    return '';
  };
  const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  test('makes keys by chance and keeps them in a file for its owner alone, whole or not at all (uet:tss/16)', () => {
    for (const [n, mode] of (['direct', 'cluster', 'server'] as const).entries()) {
      const path = `${file}${n}`;
      const ring = made(7, { mode });
      ring.write(path, false);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(readKeyFile(path).rows()).toMatchObject([{ sdi: 7, mode, tx_an: 0, key_0: 'epoch 0', key_1: 'empty' }]);
      expect(hexOf(KeyRing.read(path).keyOf(7).bytes)).toBe(hexOf(ring.keyOf(7).bytes));
    }
    const keys = [1, 2, 3].map(() => hexOf(made(7, { mode: 'direct' }).keyOf(7).bytes));
    expect(new Set(keys).size).toBe(3);
    expect(readdirSync(folder).filter((name) => !name.startsWith('keys.json'))).toEqual([]);
  });

  test('overwrites no file unasked, and leaves nothing when it cannot write (uet:tss/16)', () => {
    writeFileSync(file, 'mine');
    expect(codeOf(() => made(7, { mode: 'direct' }).write(file, false))).toBe('EEXIST');
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(codeOf(() => made(7, { mode: 'direct' }).write(join(folder, 'no', 'keys'), false))).toBe('ENOENT');
    expect(readdirSync(folder)).toEqual(['keys.json']);
    made(7, { mode: 'direct' }).write(file, true);
    expect(KeyRing.read(file).identifiers).toEqual([7]);
    chmodSync(file, 0o640);
    expect(codeOf(() => KeyRing.read(file))).toBe('EACCES');
  });

  test('rotates in the order of rotations: renew, activate, retire (uet:tss/13)', () => {
    const ring = made(7, { mode: 'cluster' });
    const first = hexOf(ring.keyOf(7).bytes);
    expect(codeOf(() => ring.activate(7, 1))).toBe('ENOENT');
    expect(ring.renew(7)).toBe(1);
    expect(hexOf(ring.keyOf(7).bytes)).toBe(first);
    expect(codeOf(() => ring.retire(7, 0))).toBe('EBUSY');
    ring.activate(7, 1);
    expect(hexOf(ring.keyOf(7).bytes)).not.toBe(first);
    ring.retire(7, 0);
    ring.write(file, false);
    expect(KeyRing.read(file).rows()).toMatchObject([{ tx_an: 1, key_0: 'empty', key_1: 'epoch 0' }]);
    expect(codeOf(() => ring.keyOf(7, 0))).toBe('ENOENT');
    expect(codeOf(() => ring.renew(8))).toBe('ENOENT');
    expect(codeOf(() => ring.add(7, { mode: 'direct' }))).toBe('EEXIST');
    expect(codeOf(() => ring.add(8, { mode: 'server', ssi: 4 }))).toBe('EINVAL');
    expect(ring.identifiers).toEqual([7]);
  });

  test("derives what a client of a server gets, by address or source identifier, and none of the server's (uet:tss/5, uet:tss/16)", () => {
    const server = made(7, { mode: 'server' });
    server.renew(7);
    const client = server.derive(7, '192.0.2.7');
    client.write(file, false);
    expect(readKeyFile(file).rows()).toMatchObject([{ sdi: 7, mode: 'client', ssi: 'none', key_1: 'epoch 0' }]);
    for (const an of [0, 1]) {
      const wanted = clientKey(new NodeCipher(), server.keyOf(7, an).bytes, parseAddress('192.0.2.7')!);
      expect(hexOf(client.keyOf(7, an).bytes)).toBe(hexOf(wanted));
    }
    expect(readFileSync(file, 'utf8')).not.toContain(hexOf(server.keyOf(7).bytes));
    const named = made(8, { mode: 'server', ssi: true });
    expect(named.derive(8, '0x10').rows()).toMatchObject([{ mode: 'client', ssi: 16 }]);
    expect(hexOf(named.derive(8, '16').keyOf(8).bytes)).not.toBe(hexOf(named.derive(8, '17').keyOf(8).bytes));
    for (const wrong of ['', 'me', '192.0.2.7', '0x100000000']) {
      expect(
        codeOf(() => named.derive(8, wrong)),
        wrong,
      ).toBe('EINVAL');
    }
    expect(codeOf(() => server.derive(7, '16'))).toBe('EINVAL');
    expect(codeOf(() => made(9, { mode: 'direct' }).derive(9, '192.0.2.7'))).toBe('EINVAL');
    expect(codeOf(() => client.renew(7))).toBe('EINVAL');
  });

  test('shows a key in no dump, row or error (uet:tss/20)', () => {
    const ring = made(7, { mode: 'direct' });
    ring.renew(7);
    const secrets = [0, 1].map((an) => ring.keyOf(7, an).bytes);
    const shown = [inspect(ring, { depth: 9, showHidden: true }), JSON.stringify(ring), JSON.stringify(ring.rows())];
    shown.push(inspect(ring.store(undefined), { depth: 9, showHidden: true }));
    for (const wrong of [() => ring.activate(7, 5), () => ring.derive(7, 'x'), () => ring.add(7, { mode: 'direct' })]) {
      try {
        wrong();
      } catch (error) {
        shown.push(inspect(error, { depth: 9, showHidden: true }));
      }
    }
    for (const secret of secrets) {
      for (const text of shown) {
        expect(text).not.toContain(hexOf(secret.subarray(0, 4)));
        expect(text.replaceAll(/\s/g, '')).not.toContain(Array.from(secret.subarray(0, 4)).join(','));
      }
    }
    expect(existsSync(`${file}.counters`)).toBe(false);
  });
});
