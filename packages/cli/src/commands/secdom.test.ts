import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DomainStore, KeyRing } from '@verbena/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManageRig } from '../manage/manage-rig.testdata.ts';
import { SECDOM_COMMAND } from './secdom.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-secdom-'));
  file = join(folder, 'keys.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('verbena secdom (uet:tss/13, uet:tss/16)', () => {
  it('adds the domain of a key file, rotates and removes it, and shows it without keys', async () => {
    const rig = new ManageRig();
    rig.host.system.secureDomains = new DomainStore();
    const secdom = (words: string, json = false) => rig.run(SECDOM_COMMAND, words, { json });
    const ring = KeyRing.empty();
    ring.add(0xabcd, { mode: 'cluster' });
    ring.write(file, false);
    await secdom(`add ${file}`);
    expect((await secdom(''))[0]).toMatch(/^domain 0xabcd mode cluster ssi none tx_an 0 key_0 epoch 0 key_1 empty /);
    await expect(secdom(`install ${file}`)).rejects.toThrow('no key of slot 1');
    ring.renew(0xabcd);
    ring.write(file, true);
    await secdom(`install ${file}`);
    await secdom('activate 0xabcd an 1');
    await secdom('retire 0xabcd an 0');
    const [row] = (await secdom('show 0xabcd', true)).map((line) => JSON.parse(line) as object);
    expect(row).toMatchObject({ sdi: 0xabcd, tx_an: 1, key_0: 'empty', key_1: 'epoch 0', sealed: 0 });
    expect(await secdom('show 5')).toEqual([]);
    await secdom('delete 0xabcd');
    expect(await secdom('')).toEqual([]);
    // both keys of a file, in one go
    await secdom(`add ${file} domain 0xabcd`);
    expect((await secdom(''))[0]).toMatch(/tx_an 0 key_0 epoch 0 key_1 epoch 0 /);
  });

  it('refuses words that make no sense, and what an administrator alone may (R160)', async () => {
    const rig = new ManageRig();
    rig.host.system.secureDomains = new DomainStore();
    for (const words of [
      'add',
      'activate 7',
      'retire 7 an 2',
      'delete',
      'show x',
      'install no.json',
      'activate 7 bn 1',
    ]) {
      await expect(rig.run(SECDOM_COMMAND, words), words).rejects.toThrow();
    }
    const { session } = rig.host.program({ uid: 1000, rights: { admin: false, job: false, raw: false } });
    expect(await rig.run(SECDOM_COMMAND, '', { session })).toEqual([]);
    await expect(rig.run(SECDOM_COMMAND, 'delete 7', { session })).rejects.toThrow('EPERM');
  });
});
