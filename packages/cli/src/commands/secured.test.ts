import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRing } from '@verbena/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

let folder: string;
const shown: string[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-secured-'));
  for (const [name, sdi] of [
    ['k.json', 0xabcd],
    ['other.json', 0xabcd],
    ['s.json', 1],
  ] as const) {
    const ring = KeyRing.empty();
    ring.add(sdi, { mode: 'cluster' });
    ring.renew(sdi);
    ring.write(at(name), false);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
/** Runs a command and keeps what it says. */
async function run(words: readonly string[], options: Parameters<typeof verbena>[1] = {}): Promise<Finished> {
  const done = await verbena(words, options);
  shown.push(done.stdout, done.stderr);
  return done;
}

describe('keys, from the file to the packet', () => {
  it('`--keys` protects what a command sends; `decode` opens the capture with the keys, and with no others (uet:tss/10, uet:tss/11)', async () => {
    const words = ['perf', 'write-bw', '--loopback', '-n', '10', '-s', '9000', '--warmup', '0', '--json'];
    const done = await run([...words, '--keys', at('k.json'), '--capture', at('one.pcapng')]);
    expect(done).toMatchObject({ status: 0, stderr: '' });
    const sealed = await run(['decode', at('one.pcapng'), '--summary']);
    expect(sealed).toMatchObject({ status: 0, stderr: '' });
    for (const line of sealed.stdout.trim().split('\n')) {
      expect(line).toMatch(/UET-TSS domain 0xabcd an 0 epoch 0 tsc \d+ \+\d+ B$/);
    }
    const opened = await run(['decode', at('one.pcapng'), '--keys', at('k.json'), '--json']);
    expect(opened.stderr).toMatch(/^\d+ protected packets opened, 0 not\n$/);
    const packets = jsonLines(opened.stdout);
    expect(packets.length).toBeGreaterThan(30);
    for (const packet of packets) expect(packet.problems).toEqual([]);
    expect(packets[0]!.protocols).toEqual(['IPv4', 'UDP', 'UET-TSS', 'UET-PDS', 'UET-SES', 'UET-TSS']);
    expect(JSON.stringify(packets[0]!.fields)).toContain('"requestLength"');
    const wrong = await run(['decode', at('one.pcapng'), '--keys', at('other.json'), '--summary']);
    expect(wrong).toMatchObject({ status: 0, stderr: expect.stringMatching(/^0 protected packets opened, \d+ not/) });
    for (const line of wrong.stdout.trim().split('\n'))
      expect(line).toMatch(/stays encrypted: the check value does not/);
    expect((await run(['decode', at('one.pcapng'), '--keys', at('s.json'), '--summary'])).stdout).toMatch(
      /stays encrypted: there is no key of this domain/,
    );
  }, 150_000);

  it('files move between two processes with the same keys, and not with others or without (uet:tss/15, N11)', async () => {
    writeFileSync(at('data.bin'), Buffer.alloc(300_000, 'verbena'));
    const server = await RunningCommand.server(['serve', folder, '--listen', '127.0.13.1', '--keys', at('k.json')]);
    const get = (to: string, ...more: string[]) =>
      run(['cp', '127.0.13.1:data.bin', at(to), '--from', '127.0.13.2', ...more], { timeoutMs: 60_000 });
    const good = await get('copy.bin', '--keys', at('k.json'));
    expect(good.stderr).toBe('');
    expect(readFileSync(at('copy.bin')).equals(readFileSync(at('data.bin')))).toBe(true);
    for (const more of [['--keys', at('other.json')], []]) expect((await get('no.bin', ...more)).status).toBe(1);
    const { stdout, stderr } = await server.stop();
    shown.push(stdout, stderr);
  }, 150_000);

  it('`secdom` provisions and rotates a daemon; `capture` is sealed, with --decrypt it is not (uet:tss/13, uet:tss/16)', async () => {
    const socket = at('v.sock');
    const spec = (n: number) => ({ name: `uet${n}`, address: `127.0.13.${10 + n}`, security: {} });
    writeFileSync(at('daemon.json'), JSON.stringify({ devices: [spec(0), spec(1)] }), { mode: 0o600 });
    const daemon = await RunningCommand.server(['up', at('daemon.json'), '--socket', socket, '--log', 'debug'], {
      ...{ timeoutMs: 120_000, env: { XDG_STATE_HOME: at('state') } },
    });
    const on = ['--socket', socket];
    const env = { VERBENA_SOCKET: socket };
    const secdom = (...words: string[]) => run(['secdom', ...words, ...on]);
    const perf = async (count: number) => {
      const plan = ['perf', 'write-bw', '-n', String(count), '-s', '9000', '--warmup', '0', '--domain', '0xabcd'];
      const server = await RunningCommand.server([...plan, '--listen', '127.0.13.10'], { env });
      const done = await run([...plan, '127.0.13.10', '--json'], { env });
      shown.push((await server.ended).stderr);
      return done;
    };
    try {
      expect(await perf(1).catch((error: unknown) => String(error))).toMatch(/0xabcd is not known here|ended with 1/);
      expect(await secdom('add', at('k.json'))).toMatchObject({ status: 0, stdout: '', stderr: '' });
      expect((await secdom()).stdout).toMatch(/^domain 0xabcd mode cluster .*tx_an 0 key_0 epoch 0 key_1 epoch 0 /);
      const captures = [at('sealed.pcapng'), at('clear.pcapng')].map(
        (file, n) => new RunningCommand(['capture', 'uet0', '-o', file, ...(n === 0 ? [] : ['--decrypt']), ...on]),
      );
      for (const capture of captures) await capture.says('capturing');
      expect(await perf(20)).toMatchObject({ status: 0, stderr: '' });
      expect(await secdom('activate', '0xabcd', 'an', '1')).toMatchObject({ status: 0, stderr: '' });
      expect(await secdom('retire', '0xabcd', 'an', '0')).toMatchObject({ status: 0, stderr: '' });
      expect(await perf(20)).toMatchObject({ status: 0, stderr: '' });
      for (const capture of captures) shown.push((await capture.stop()).stdout);
      expect((await run(['decode', at('sealed.pcapng'), '--summary'])).stdout).not.toMatch(/RUD|ACK/);
      expect(statSync(at('clear.pcapng')).mode & 0o777).toBe(0o600);
      const clear = await run(['decode', at('clear.pcapng'), '--json']);
      expect(clear).toMatchObject({ status: 0, stderr: '' });
      expect(clear.stdout).toMatch(/"PDS request, SYN"/);
      expect(clear.stdout).not.toMatch(/UET-TSS/);
      const text = await run(['decode', at('clear.pcapng'), '--frame', '1']);
      expect(text.stdout).toMatch(/opened: domain 0xabcd an 0 epoch 0 tsc \d+/);
      expect(await secdom('install', at('other.json'), 'an', '0')).toMatchObject({ status: 0, stderr: '' });
      expect(await secdom('retire', '0xabcd', 'an', '1')).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/EBUSY/),
      });
      expect(await secdom('delete', '0xabcd')).toMatchObject({ status: 0, stderr: '' });
      expect(await secdom('show')).toMatchObject({ status: 0, stdout: '' });
    } finally {
      const { stdout, stderr } = await daemon.stop();
      shown.push(stdout, stderr);
    }
  }, 150_000);

  it('no key, and no part of one, was in anything that all this has said or recorded (uet:tss/20)', () => {
    const secrets = ['k.json', 's.json', 'other.json'].flatMap((name) => {
      const ring = KeyRing.read(at(name));
      const [sdi] = ring.identifiers;
      return [0, 1].flatMap((an) => (ring.hasKey(sdi!, an) ? [Buffer.from(ring.keyOf(sdi!, an).bytes)] : []));
    });
    expect(secrets.length).toBeGreaterThan(4);
    const text = shown.join('\n').toLowerCase();
    const files = ['one.pcapng', 'sealed.pcapng', 'clear.pcapng', 'k.json.counters'].map((name) =>
      readFileSync(at(name)),
    );
    expect(text.length).toBeGreaterThan(10_000);
    for (const secret of secrets) {
      for (let from = 0; from + 8 <= secret.length; from += 4) {
        const part = secret.subarray(from, from + 8);
        expect(text.includes(part.toString('hex'))).toBe(false);
        expect(text.includes([...part].join(','))).toBe(false);
        for (const file of files) {
          expect(file.includes(part)).toBe(false);
          expect(file.includes(part.toString('hex'))).toBe(false);
        }
      }
    }
  });
});
