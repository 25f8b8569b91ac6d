import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DomainStore } from '../crypto/domain-store.ts';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { Daemon } from './daemon.ts';
import { socketFolder } from './process-rig.testdata.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: daemon with keys: ${libcProblem()}`);
const KEY = '404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f';

describe.skipIf(libc === undefined)('a daemon with keys', () => {
  const folder = { path: '', remove: () => {} };
  let daemon: Daemon | undefined;
  beforeEach(() => Object.assign(folder, socketFolder()));
  afterEach(async () => {
    await daemon?.close();
    daemon = undefined;
    folder.remove();
  });

  test('protects the devices that say so, and logs and shows no key (uet:tss/16, uet:tss/20)', async () => {
    const keys = join(folder.path, 'keys.json');
    writeFileSync(keys, JSON.stringify({ domains: [{ sdi: 7, mode: 'direct', keys: [{ key: KEY }] }] }), {
      mode: 0o600,
    });
    let logged = '';
    const log = pino(
      { level: 'trace' },
      new Writable({
        write(chunk, _encoding, done) {
          logged += String(chunk);
          done();
        },
      }),
    );
    daemon = await Daemon.start({
      ...{ socket: join(folder.path, 'own', 'verbena.sock'), keys, log },
      devices: [
        { name: 'uet0', address: '127.0.80.1', security: { domain: 7 } },
        { name: 'uet1', address: '127.0.80.2' },
      ],
    });
    const { system } = daemon;
    expect(system.secureDomains!.rows()).toMatchObject([{ sdi: 7, mode: 'direct', key_0: 'epoch 0' }]);
    const transports = [...daemon.kernels()].map(({ soft }) => soft.links[0]!.transport.protects === true);
    expect(transports).toEqual([true, false]);
    expect(() => daemon!.addDevice({ name: 'uet2', address: '127.0.80.3', security: { domain: 9 } })).toThrow('ENOENT');
    system.secureDomains!.install(7, { bytes: new Uint8Array(32).fill(0x77), an: 1, epoch: 0 });
    system.secureDomains!.activate(7, 1);
    system.secureDomains!.retire(7, 0);
    expect(logged).toContain('ready');
    const shown = logged + JSON.stringify(system.secureDomains!.rows()) + JSON.stringify(daemon.counters);
    expect(shown).not.toMatch(/4041|7777|64,65|119,119/);
  });

  test('goes on with the packet counters of keys from the management channel after a restart, and says where it cannot (uet:tss/12, N13)', async () => {
    const state = process.env.XDG_STATE_HOME;
    const key = { bytes: new Uint8Array(32).fill(0x77), an: 0, epoch: 0 };
    const start = () => Daemon.start({ socket: join(folder.path, 'own', 'verbena.sock'), devices: [] });
    try {
      for (const first of [0, 2 ** 24]) {
        process.env.XDG_STATE_HOME = join(folder.path, 'state');
        daemon = await start();
        const domains = daemon.system.secureDomains as DomainStore;
        domains.add(7, { mode: 'direct' }, key);
        expect(domains.table.get(7).sending!.take()).toBe(first);
        await daemon.close();
      }
      writeFileSync(join(folder.path, 'file'), '');
      process.env.XDG_STATE_HOME = join(folder.path, 'file');
      daemon = await start();
      expect(() => daemon!.system.secureDomains!.add(7, { mode: 'direct' }, key)).toThrow(
        /EACCES.*counters cannot be kept/,
      );
      expect(daemon.system.secureDomains!.rows()).toEqual([]);
    } finally {
      if (state === undefined) delete process.env.XDG_STATE_HOME;
      else process.env.XDG_STATE_HOME = state;
    }
  });

  test('does not start with a key file that others can read (uet:tss/16)', async () => {
    const keys = join(folder.path, 'keys.json');
    writeFileSync(keys, '{"domains":[]}', { mode: 0o644 });
    const socket = join(folder.path, 'own', 'verbena.sock');
    await expect(Daemon.start({ socket, keys })).rejects.toThrow('read by others');
  });
});
