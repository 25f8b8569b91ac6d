import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { libcProblem, loadLibc } from '../memory/libc.ts';
import { daemonProcess, LineProcess, PACKAGE, program, socketFolder } from './process-rig.testdata.ts';

const libc = await loadLibc();
if (libc === undefined) console.log(`skipped: the program verbenad: ${libcProblem()}`);

let host = 1;
const nextAddress = () => `127.0.79.${host++}`;

/** Waits for completions and events, and says what becomes of both; then opens its device again when told to. */
const WATCHER = `
  const device = await openDevice({ name: 'uet0' });
  const { context, cq } = endOf(device);
  const waiting = cq.next().then(() => 'completed', (error) => error.code);
  say('waits');
  const seen = [];
  for await (const { name } of context.events()) seen.push(name);
  const call = (() => { try { context.allocatePd(); } catch (error) { return error.code; } })();
  say([seen.at(-1), await waiting, call]);
  await device.close();`;

describe.skipIf(libc === undefined)('program verbenad', () => {
  let folder: ReturnType<typeof socketFolder>;
  let socket: string;
  let processes: LineProcess[];

  beforeEach(() => {
    folder = socketFolder();
    socket = join(folder.path, 'verbena.sock');
    processes = [];
  });

  afterEach(async () => {
    for (const one of processes) await one.kill('SIGKILL');
    folder.remove();
  });

  async function daemon(...devices: readonly string[]): Promise<LineProcess> {
    const started = await daemonProcess(socket, ...devices);
    processes.push(started);
    return started;
  }

  function client(text: string): LineProcess {
    const made = program(text, { VERBENA_SOCKET: socket });
    processes.push(made);
    return made;
  }

  test('SIGTERM: programs are told and end by themselves, it exits with 0 and its socket is gone: R026 R028', async () => {
    const server = await daemon(`uet0=${nextAddress()}`);
    const one = client(WATCHER);
    expect(await one.line()).toBe('waits');
    await server.kill('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(await one.line()).toEqual(['DEVICE_FATAL', 'EIO', 'EIO']);
    expect(await one.ended).toEqual({ code: 0, signal: null });
    expect(existsSync(socket)).toBe(false);
  });

  test('kill -9: calls and waits answer EIO, and a program that reopens works with the next one: R178', async () => {
    const address = nextAddress();
    const server = await daemon(`uet0=${address}`);
    const one = client(`${WATCHER}
      for await (const _ of asked) break;
      const again = await openDevice({ name: 'uet0' });
      endOf(again);
      say(again.name);
      await again.close();
      process.stdin.destroy();`);
    expect(await one.line()).toBe('waits');
    await server.kill('SIGKILL');
    expect(await one.line()).toEqual(['DEVICE_FATAL', 'EIO', 'EIO']);
    expect(existsSync(socket)).toBe(true); // left over, and replaced by the next one
    await daemon(`uet0=${address}`);
    expect(await one.ask('again')).toBe('uet0');
    expect((await one.ended).code).toBe(0);
  });

  test('a second daemon on the same socket is refused, and the first goes on', async () => {
    await daemon(`uet0=${nextAddress()}`);
    await expect(daemonProcess(socket)).rejects.toThrow(/EADDRINUSE/);
    const one = client(`const device = await openDevice({ name: 'uet0' }); say(device.name); await device.close();`);
    expect(await one.line()).toBe('uet0');
  });

  test('SIGUSR1 opens no inspector (threats L19)', async () => {
    const server = await daemon(`uet0=${nextAddress()}`);
    server.child.kill('SIGUSR1');
    const one = client(`const device = await openDevice({ name: 'uet0' }); say(device.name); await device.close();`);
    expect(await one.line()).toBe('uet0'); // it had time to open one
    const reached = await new Promise<boolean>((resolve) => {
      const socketTo = connect(9229, '127.0.0.1');
      socketTo.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socketTo.once('connect', () => socketTo.destroy());
    });
    expect(reached).toBe(false);
    await server.kill('SIGTERM');
    expect(server.stderr).not.toContain('Debugger');
    expect((await server.ended).code).toBe(0);
  });

  test('wrong words on the command line are explained', async () => {
    const main = join(PACKAGE, 'dist/daemon/main.js');
    const bad = (...words: string[]) => {
      const one = new LineProcess([main, '--socket', socket, ...words]);
      processes.push(one);
      return one;
    };
    const [flag, device, file] = [bad('--nonsense'), bad('--device', 'uet0=nowhere'), bad('/nowhere/verbenad.json')];
    expect([(await flag.ended).code, (await device.ended).code, (await file.ended).code]).toEqual([2, 1, 1]);
    expect(flag.stderr).toContain('usage:');
    expect(device.stderr).toContain('`nowhere` is not an IP address');
    expect(file.stderr).toContain('ENOENT');
  });
});
