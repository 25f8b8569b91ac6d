import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '@verbena/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { Daemon } from './daemon.ts';
import { LineProcess, PACKAGE, program, socketFolder, until } from './process-rig.testdata.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: daemon: ${libcProblem()}`);

interface Card {
  readonly address: string;
  readonly qpn: number;
  readonly rkey: string;
}

const openFiles = () => readdirSync('/proc/self/fd').length;
const sharedMappings = () => readFileSync('/proc/self/maps', 'latin1').split('memfd:verbena').length;
let host = 1;
const nextAddress = () => `127.0.78.${host++}`;

/** Live objects without what engines keep for peers for a while. */
function objectsOf(daemon: Daemon): Record<string, number> {
  const all = [...daemon.system.devices.values()].map((device) =>
    Object.entries(device.census()).filter(([name]) => !name.startsWith('engine_')),
  );
  return Object.fromEntries(all.flatMap((list, i) => list.map(([name, count]) => [`${i} ${name}`, count])));
}

describe.skipIf(libc === undefined)('daemon', () => {
  const folder = { path: '', remove: () => {} };
  let daemon: Daemon;
  let programs: LineProcess[];
  let addresses: readonly [string, string];

  beforeEach(async () => {
    Object.assign(folder, socketFolder());
    addresses = [nextAddress(), nextAddress()];
    programs = [];
    daemon = await Daemon.start({
      socket: join(folder.path, 'own', 'verbena.sock'),
      devices: addresses.map((address, i) => ({ name: `uet${i}`, address })),
      limits: { slowReaderMs: 500 },
    });
  });

  afterEach(async () => {
    for (const one of programs) await one.kill('SIGKILL');
    await daemon.close();
    folder.remove();
  });

  function client(text: string, env: Readonly<Record<string, string>> = { VERBENA_SOCKET: daemon.socket }) {
    const made = program(text, env);
    programs.push(made);
    return made;
  }

  test('socket 0600 in a folder 0700, both made by it (threats L01)', () => {
    expect(lstatSync(daemon.socket).mode & 0o7777).toBe(0o600);
    expect(lstatSync(join(folder.path, 'own')).mode & 0o7777).toBe(0o700);
  });

  test('two programs exchange data through it, and with a program that has its own device: R070 R075 R077 R168', async () => {
    const third = nextAddress();
    const a = client(`await serve(endOf(await openDevice({ name: 'uet0' }), 3));`);
    const b = client(`await serve(endOf(await openDevice({ address: '${addresses[1]}' }), 5));`);
    const c = client(`await serve(endOf(await openDevice({ address: '${third}' }), 7));`, {});
    for (const [from, to] of [
      [a, b],
      [b, a],
      [a, c],
      [c, b],
    ] as const) {
      const card = await to.ask<Card>({ order: 'card' });
      const read = await from.ask<number>({ order: 'run', card });
      const there = await to.ask<{ own: number; written: number; byteLength: number }>({ order: 'check' });
      expect(read).toBe(there.own);
      expect(there.byteLength).toBe(10_000);
      await from.ask<Card>({ order: 'card' }).then(({ address }) => expect(address).not.toBe(card.address));
    }
    const [uet0, uet1] = [...daemon.system.devices.values()];
    expect([...uet0!.rows('QP')].map(({ pid }) => pid)).toEqual([a.pid]);
    expect([...uet1!.rows('QP')].map(({ pid }) => pid)).toEqual([b.pid]);
    const counters = await a.ask<Record<string, number>>({ order: 'counters' });
    expect(counters.wire_sent_datagrams).toBeGreaterThan(20);
    // the data path made no calls: what was counted is set-up
    expect(daemon.counters.requests).toBeLessThan(200);
    for (const one of [a, b, c]) one.tell({ order: 'bye' });
    expect(await Promise.all([a, b, c].map(async (one) => (await one.ended).code))).toEqual([0, 0, 0]);
    await until(() => daemon.clients.size === 0, 'both connections end');
  });

  test('the first program of the documentation runs unchanged with VERBENA_SOCKET', async () => {
    const text = readFileSync(join(PACKAGE, '../../docs/first-program.mjs'), 'utf8')
      .replaceAll('127.0.0.2', addresses[0])
      .replaceAll('127.0.0.3', addresses[1])
      .replace('console.log(', 'console.log(JSON.stringify(')
      .replace('text.length)));', 'text.length))));')
      .replace("status, '-', new", "status + ' - ' + new");
    const one = new LineProcess(['--input-type=module', '-e', text], { VERBENA_SOCKET: daemon.socket });
    programs.push(one);
    expect(await one.line()).toBe('SUCCESS - hello, remote memory');
    expect((await one.ended).code).toBe(0);
    expect(daemon.counters.connectionsAccepted).toBe(2);
  });

  test('kill -9 at any point leaves objects, charges, mappings and descriptors as before: R048 R180 (threats L22)', async () => {
    const peer = client(`await serve(endOf(await openDevice({ name: 'uet1' }), 5));`);
    const card = await peer.ask<Card>({ order: 'card' });
    const random = new SeededRandom(180);
    await until(() => daemon.clients.size === 1, 'the peer is alone');
    const before = {
      objects: objectsOf(daemon),
      files: openFiles(),
      mappings: sharedMappings(),
      mapped: { ...daemon.mapped },
    };
    for (let round = 0; round < 30; round++) {
      // every call is a step; the kill comes at one of them, or a little later
      const victim = client(`
        let steps = 0;
        const step = (value) => { say(++steps); return value; };
        const device = step(await openDevice({ name: 'uet0' }));
        const context = step(device.open());
        const pd = step(context.allocatePd());
        const cq = step(context.createCompletionQueue({ entries: 64 }));
        const job = step(context.createJob({ id: 7 }));
        const jobKey = step(pd.createJobKey(job));
        const qp = step(pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey }));
        const region = step(pd.registerMemory(context.allocate(200_000), { access: ['local-write'] }));
        const plain = step(pd.registerMemory(new Uint8Array(new SharedArrayBuffer(9000)), { access: ['local-write'] }));
        const to = step(pd.createAddressHandle({ address: '${card.address}', qpn: ${card.qpn} }));
        for (;;) {
          qp.post({ opcode: 'write', to, region, length: 60_000, remote: new RemoteMemory(${card.rkey}n) });
          qp.post({ opcode: 'write', to, region: plain, length: 9_000, remote: new RemoteMemory(${card.rkey}n) });
          step(await done(cq)); step(await done(cq));
          context.release(step(context.allocate(20_000_000)));
        }`);
      const steps = 1 + random.below(16);
      for (let i = 0; i < steps; i++) await victim.line();
      await victim.kill('SIGKILL');
      await until(() => daemon.clients.size === 1, 'the killed connection ends');
      const sessions = [...daemon.system.sessions];
      expect(sessions).toHaveLength(1);
      expect(daemon.system.root.usage('uet0', 'hca_object').current, `round ${round} killed at step ${steps}`).toBe(0);
      expect(objectsOf(daemon), `round ${round} killed at step ${steps}`).toEqual(before.objects);
      expect(daemon.mapped).toEqual(before.mapped);
      expect(openFiles()).toBe(before.files);
      expect(sharedMappings()).toBe(before.mappings);
    }
    expect(daemon.system.leaked).toBe(0);
    // the others never noticed
    await peer.ask<Card>({ order: 'card' });
  }, 180_000);

  test('200 connections opened and closed leave nothing', async () => {
    const before = { files: openFiles(), objects: objectsOf(daemon) };
    const one = client(`
      for (let i = 0; i < 200; i++) {
        const device = await openDevice({ name: 'uet0' });
        if (i % 10 === 0) endOf(device);
        await device.close();
      }
      say('done');`);
    expect(await one.line()).toBe('done');
    expect((await one.ended).code).toBe(0);
    await until(() => daemon.clients.size === 0, 'all connections end');
    expect(daemon.counters.connectionsAccepted).toBe(200);
    expect([openFiles(), objectsOf(daemon), daemon.system.sessions.size]).toEqual([before.files, before.objects, 0]);
    expect(daemon.mapped).toMatchObject({ mappings: 0, bytes: 0 });
  });

  test('ordinary memory is reached by address, and only as the program itself may: R097 (threats L09)', async () => {
    const b = client(`
      const device = await openDevice({ name: 'uet1' });
      await serve(endOf(device, 5, () => new Uint8Array(new SharedArrayBuffer(4 * PART))));`);
    const a = client(`
      const device = await openDevice({ name: 'uet0' });
      const end = endOf(device, 3, () => new Uint8Array(new SharedArrayBuffer(4 * PART)));
      const { readFileSync } = await import('node:fs');
      const readOnly = readFileSync('/proc/self/maps', 'latin1').split('\\n').find((line) => line.includes(' r--p '));
      const at = Number.parseInt(readOnly, 16);
      const umem = end.context.call('UMEM', 'CREATE', { kind: 1 }).handle;
      const register = (offset, access) => {
        try {
          const memory = { kind: 1, index: umem, offset, length: 4096 };
          const { handle } = end.context.call('MR', 'REG', { pd: end.pd.handle, memory, access });
          end.context.call('MR', 'DEREG', { handle });
          return 'ok';
        } catch (error) { return error.code; }
      };
      const codes = [register(at, 0), register(at, 1), register(at, 3), register(4096, 0), register(2 ** 48 - 4096, 0)];
      try { end.pd.registerMemory(new Uint8Array(100), { access: [] }); } catch (error) { codes.push(error.code); }
      say(codes);
      await serve(end);`);
    expect(await a.line()).toEqual(['ok', 'EFAULT', 'EFAULT', 'EFAULT', 'EFAULT', 'EINVAL']);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const card = await to.ask<Card>({ order: 'card' });
      const read = await from.ask<number>({ order: 'run', card });
      expect(read).toBe((await to.ask<{ own: number }>({ order: 'check' })).own);
      await from.ask<Card>({ order: 'card' });
    }
  });

  test('a device comes and goes while programs run; they are told and live on: R026 R027 R028', async () => {
    const address = nextAddress();
    expect(() => daemon.addDevice({ name: 'uet5', address: addresses[0] })).toThrow(/EADDRINUSE/);
    expect(() => daemon.system.deviceFactory!.add({ name: 'uet5', address, port: 'x' })).toThrow(/port/);
    const device = daemon.system.deviceFactory!.add({ name: 'uet%d', address, type: 'uet' });
    expect(device.name).toBe('uet2');
    const one = client(`
      const device = await openDevice({ name: 'uet2' });
      const { context, cq, pd, qp } = endOf(device);
      const waiting = cq.next().then(() => 'completed', (error) => error.code);
      say('waits');
      for await (const { name } of context.events()) say(name);
      const call = (() => { try { context.allocatePd(); } catch (error) { return error.code; } })();
      say([await waiting, call]);
      qp.close();
      await device.close();
      const again = await openDevice({ name: 'uet0' });
      say(again.name);
      await again.close();`);
    expect(await one.line()).toBe('waits');
    await daemon.removeDevice('uet2');
    expect(await one.line()).toBe('DEVICE_FATAL');
    expect(await one.line()).toEqual(['EIO', 'EIO']);
    expect(await one.line()).toBe('uet0');
    expect((await one.ended).code).toBe(0);
    await expect(daemon.removeDevice('uet2')).rejects.toMatchObject({ code: 'ENODEV' });
    expect(daemon.addDevice({ name: 'uet2', address }).name).toBe('uet2');
  });

  test('options that are a matter of the daemon are refused with advice', async () => {
    const one = client(`
      const tell = (options) => openDevice(options).then(() => 'opened', (error) => error.code + ' ' + error.facts.given);
      say([
        await tell({ name: 'uet0', faults: { drop: 0.1 }, mode: 'worker' }),
        await tell({ name: 'uet9' }),
        await tell({ address: '127.0.78.250' }),
        await tell({}),
        await tell({ name: 'uet0', socket: '/nowhere/verbena.sock' }),
      ]);`);
    expect(await one.line()).toEqual([
      'EINVAL mode, faults',
      expect.stringMatching(/^ENXIO/),
      'ENXIO 127.0.78.250',
      expect.stringMatching(/^ENOTUNIQ/),
      expect.stringMatching(/^ENOENT/),
    ]);
  });

  test('figures are served on loopback', async () => {
    const other = await Daemon.start({ socket: join(folder.path, 'm.sock'), metrics: '127.0.0.1:0' });
    try {
      const text = await (await fetch(`http://${other.metricsAddress}/metrics`)).text();
      expect(text).toContain('verbena_connections 0\n');
      expect(text).toContain('verbena_daemon_total{event="malformedFrames"} 0\n');
      expect((await fetch(`http://${other.metricsAddress}/`)).status).toBe(404);
    } finally {
      await other.close();
    }
    await expect(Daemon.start({ socket: join(folder.path, 'n.sock'), metrics: '0.0.0.0:0' })).rejects.toMatchObject({
      code: 'EINVAL',
    });
  });
});
