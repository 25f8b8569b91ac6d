import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { configJsonSchema, deviceOptions, parseConfig, readConfig } from './config.ts';
import { parseDeviceFlag } from './device-flag.ts';

describe('configuration', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'verbena-'));
    file = join(folder, 'verbenad.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (text: string, mode = 0o600) => {
    writeFileSync(file, text);
    chmodSync(file, mode);
  };

  test('the published schema is that of the program; `npm run schema` writes it', () => {
    const published = readFileSync(new URL('../../schema/verbenad.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(published)).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
  });

  test('a file is read', async () => {
    write('{"log":"warn","devices":[{"name":"uet0","address":"127.0.0.1","gids":[{"type":"loop","port":9}]}]}');
    expect(await readConfig(file)).toEqual({
      log: 'warn',
      devices: [{ name: 'uet0', address: '127.0.0.1', gids: [{ type: 'loop', port: 9 }] }],
    });
  });

  test('a file or folder that others may write is refused (threats W09)', async () => {
    for (const mode of [0o620, 0o602]) {
      write('{}', mode);
      await expect(readConfig(file)).rejects.toMatchObject({ code: 'EACCES' });
    }
    write('{}', 0o644);
    expect(await readConfig(file)).toEqual({});
    chmodSync(folder, 0o777);
    await expect(readConfig(file)).rejects.toMatchObject({ code: 'EACCES' });
    chmodSync(folder, 0o700);
  });

  test('hostile and wrong content is refused with its place (threats L17)', async () => {
    for (const text of [
      '{',
      '[]',
      '{"nonsense":1}',
      '{"__proto__":{"log":"info"}}',
      '{"devices":[{"name":"uet0"}]}',
      '{"devices":[{"name":"0","address":"::1"}]}',
      '{"devices":[{"name":"uet0","address":"::1","mtu":1e30}]}',
      '{"mode":"0666"}',
      `${'['.repeat(200_000)}${']'.repeat(200_000)}`,
    ]) {
      write(text);
      await expect(readConfig(file), text.slice(0, 60)).rejects.toMatchObject({ code: 'EINVAL' });
    }
    write(' '.repeat(2 ** 20 + 1));
    await expect(readConfig(file)).rejects.toMatchObject({ code: 'EINVAL' });
    expect(() => parseConfig({ devices: [{ name: 'uet0', address: 5 }] }, 'here')).toThrow(/here: devices\.0\.address/);
  });

  test('devices on the command line', () => {
    expect(parseDeviceFlag('uet0=127.0.0.1')).toEqual({ name: 'uet0', address: '127.0.0.1' });
    const spec = parseDeviceFlag('a=[::1],type=loop,port=7,mtu=1024,gid=127.0.0.1:uet,gid=::1:loop');
    expect(spec).toEqual({
      name: 'a',
      address: '::1',
      type: 'loop',
      port: 7,
      mtu: 1024,
      gids: [
        { address: '127.0.0.1', type: 'uet' },
        { address: '::1', type: 'loop' },
      ],
    });
    expect(deviceOptions(spec)).toMatchObject({
      transport: 'loop',
      payloadMtu: 1024,
      gids: [{ transport: 'uet' }, {}],
    });
    for (const text of [
      '',
      'uet0',
      'uet0=',
      'uet0=::1,x=1',
      'uet0=::1,port=x',
      'uet0=::1,gid=loop',
      'uet0=::1,type=no',
    ]) {
      expect(() => parseDeviceFlag(text), text).toThrow(/EINVAL/);
    }
  });
});
