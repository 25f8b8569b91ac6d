import { describe, expect, it } from 'vitest';
import { jsonLines, RunningCommand, verbena } from '../process-rig.testdata.ts';

describe('stand-in', () => {
  it('two processes play ib_send_lat, each with its own half verbs/8.6', async () => {
    const words = ['stand-in', 'ib_send_lat', '-s', '100', '-n', '50', '-p', String(PORT)];
    const server = await RunningCommand.server([...words, '--listen', '127.0.0.71']);
    const client = await verbena([...words, '127.0.0.71', '--json']);
    expect(client.stderr).toBe('');
    const [report] = jsonLines(client.stdout);
    expect(report).toMatchObject({ tool: 'ib_send_lat', ok: true, iterations: 50, bytes: 10_000 });
    expect(Object.keys(report!)).toEqual(['tool', 'ok', 'text', 'bytes', 'iterations', 'seconds', 'checked']);
    const served = await server.ended;
    expect(served.status).toBe(0);
    const [listening, theirs] = jsonLines(served.stdout);
    expect(listening).toEqual({ listening: '127.0.0.71', port: PORT });
    expect(theirs).toMatchObject({ ok: true, iterations: 50 });
  });

  it('rping in text, over the connection manager verbs/8.4', async () => {
    const words = ['stand-in', 'rping', '-p', String(PORT + 1)];
    const server = await RunningCommand.server([...words, '--listen', '127.0.0.72']);
    const client = await verbena([...words, '127.0.0.72', '-n', '3', '-s', '200']);
    expect(client.stdout).toMatch(/^rping: 3 iterations, 1200 bytes in .*; checked: every byte of every round\n$/);
    expect((await server.ended).status).toBe(0);
  });

  const wrong: [string, string[], RegExp][] = [
    ['an unknown tool', ['ib_wrte_bw'], /no stand-in for 'ib_wrte_bw'\n {2}try {6}ibv_rc_pingpong, .*rping/],
    ['an MTU that is none', ['rping', '-m', '1000'], /Give one of: 256, 512, 1024, 2048, 4096/],
    ['two roles', ['rping', '127.0.0.1', '--listen', '127.0.0.1'], /--listen is for the server/],
  ];
  it.each(wrong)('%s: one message, exit status 2', async (_, words, message) => {
    const { status, stdout, stderr } = await verbena(['stand-in', ...words]);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
  });

  it('nobody there: it says what to do', async () => {
    const { status, stderr } = await verbena(['stand-in', 'ib_read_bw', '127.0.0.73', '-p', String(PORT + 2)]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/ECONNREFUSED.*nobody listens at 127.0.0.73.*start the tool there first/s);
  });
});

const PORT = 20_000 + (process.pid % 300) * 3;
