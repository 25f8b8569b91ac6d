import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isVerbsError } from '@verbena/core';
import { KeyRing } from '@verbena/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BadInput } from '../failure.ts';
import { verbOf } from '../manage/management-command.ts';
import { Words } from '../manage/words.ts';
import { Output } from '../print/output.ts';
import { KEYS_COMMAND, type KeysRun } from './keys.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

class Lines extends Output {
  readonly lines: string[] = [];
  override text(line = ''): void {
    this.lines.push(line);
  }
}

/** Runs words of `verbena keys`; names that end in .json are files. @returns what it prints */
async function keys(text: string): Promise<string[]> {
  const words = text.split(' ').map((word) => (word.endsWith('.json') ? at(word) : word));
  const output = new Lines(false);
  const run = verbOf<KeysRun>(KEYS_COMMAND, words[0]);
  await run({ words: new Words(words.slice(1), KEYS_COMMAND.usage), output });
  return output.lines;
}
const refused = (text: string) =>
  keys(text).then(
    () => 'nothing',
    (error: unknown) => {
      if (error instanceof BadInput) return `bad input: ${error.message}`;
      if (isVerbsError(error)) return error.explain();
      throw error;
    },
  );

describe('verbena keys (uet:tss/16)', () => {
  it('makes files for their owner alone, and says what is in them without the keys', async () => {
    const line = 'domain 0xabcd mode direct ssi 9 tx_an 0 key_0 epoch 0 key_1 empty';
    expect(await keys('generate k.json domain 0xabcd mode direct ssi 9')).toEqual([line]);
    expect(await keys('show k.json')).toEqual([line]);
    expect(statSync(at('k.json')).mode & 0o777).toBe(0o600);
    expect(await keys('generate usual.json')).toEqual([
      'domain 0x1 mode cluster ssi none tx_an 0 key_0 epoch 0 key_1 empty',
    ]);
  });

  it('rotates a key, and derives those of clients (uet:tss/5, uet:tss/13)', async () => {
    await keys('generate s.json mode server ssi clients');
    expect(await keys('renew s.json')).toEqual([
      'domain 0x1 mode server ssi of clients tx_an 0 key_0 epoch 0 key_1 epoch 0',
    ]);
    expect(await keys('derive s.json c.json client 0x10')).toEqual([
      'domain 0x1 mode client ssi 16 tx_an 0 key_0 epoch 0 key_1 epoch 0',
    ]);
    await keys('activate s.json an 1 domain 1');
    expect(await keys('retire s.json an 0')).toEqual([
      'domain 0x1 mode server ssi of clients tx_an 1 key_0 empty key_1 epoch 0',
    ]);
    expect(KeyRing.read(at('c.json')).keyOf(1, 1).bytes.length).toBe(44);
  });

  it('changes nothing when it refuses, and says why', async () => {
    await keys('generate k.json');
    const before = KeyRing.read(at('k.json')).keyOf(1).bytes;
    for (const [text, problem] of [
      ['generate k.json', /EEXIST/],
      ['generate x.json mode client', /bad input.*no mode of a new domain/],
      ['generate x.json domain 0x1000000', /EINVAL.*sdi/],
      ['generate x.json mode server ssi 4', /EINVAL.*source identifier of the client/],
      ['generate x.json key 00', /bad input.*'key' is not known/],
      ['activate k.json an 1', /ENOENT.*slot 1 is empty/],
      ['activate k.json an 2', /bad input.*which slot/],
      ['retire k.json', /bad input.*which slot/],
      ['retire k.json an 0', /EBUSY/],
      ['renew k.json an 1', /bad input.*not sent under/],
      ['renew k.json domain 5', /ENOENT[\s\S]*0x1/],
      ['derive k.json x.json client 1.2.3.4', /EINVAL/],
      ['derive k.json x.json', /bad input.*whose keys/],
      ['show k.json more', /bad input.*one word too many/],
      ['show', /bad input.*FILE is missing/],
      ['print k.json', /bad input.*does not know/],
    ] as const) {
      expect(await refused(text), text).toMatch(problem);
    }
    expect(KeyRing.read(at('k.json')).keyOf(1).bytes).toEqual(before);
  });
});
