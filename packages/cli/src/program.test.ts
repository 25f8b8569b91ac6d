import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { jsonLines, verbena } from './process-rig.testdata.ts';
import { createProgram } from './program.ts';

const COMMANDS = [
  ...[
    'demo',
    'perf',
    'pingpong',
    'stand-in',
    'serve',
    'cp',
    'decode',
    'devices',
    'devinfo',
    'doctor',
    'explain',
    'keys',
    'up',
  ],
  ...['dev', 'link', 'resource', 'statistic', 'system', 'job', 'secdom', 'monitor', 'capture'],
];

describe('the command', () => {
  it('has help with an example, and --json, on every command', () => {
    const program = createProgram(() => {});
    expect(program.commands.map((command: Command) => command.name())).toEqual(COMMANDS);
    for (const command of program.commands) {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect(help, command.name()).toMatch(/--json/);
      expect(help, command.name()).toMatch(/Example:\n {2}verbena |Example:\n {2}echo /);
    }
  });

  it('prints help and version with status 0, and refuses nonsense with status 2', async () => {
    const [help, version, unknown, option, none] = await Promise.all([
      verbena(['cp', '--help']),
      verbena(['--version']),
      verbena(['frobnicate']),
      verbena(['doctor', '--frobnicate']),
      verbena([]),
    ]);
    expect(help).toMatchObject({ status: 0, stderr: '' });
    expect(help.stdout).toMatch(/Usage: verbena cp/);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(unknown).toMatchObject({ status: 2, stdout: '' });
    expect(unknown.stderr).toMatch(/unknown command/);
    expect(option.status).toBe(2);
    expect(none.status).toBe(2);
    expect(none.stderr + none.stdout).toMatch(/Usage: verbena/);
  });

  it('lists devices in the shape of ibv_devices', async () => {
    const { status, stdout } = await verbena(['devices', '-d', 'uet0=127.0.3.1', '-d', 'other=[::1]']);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^ {4}device {10}\t {3}node GUID\n {4}------ {10}\t-{16}\n {4}uet0 {12}\t[0-9a-f]{16}\n {4}other {11}\t[0-9a-f]{16}\n$/,
    );
  });

  it('shows attributes in the shape of ibv_devinfo', async () => {
    const { status, stdout } = await verbena(['devinfo', '-d', 'uet7=127.0.3.2', '-v']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^hca_id:\tuet7\n\ttransport:\t\t\tUET \(unspecified\)\n\tfw_ver:\t\t\t\t/);
    expect(stdout).toMatch(/\n\t\tport:\t1\n\t\t\tstate:\t\t\tPORT_ACTIVE \(4\)\n\t\t\tmax_mtu:\t\t4096 \(5\)\n/);
    expect(stdout).toMatch(/\n\tprofiles:\n\t\tAI Base: .*\n\t\tAI Full: .*\n\t\tHPC: .*\n\tsettings /);
    expect(stdout).toMatch(/GID\[ {2}0\]:\t\t::ffff:127\.0\.3\.2, UET\/UDP\n\n$/);
    const unknown = await verbena(['devinfo', '-d', 'mlx5_0']);
    expect(unknown).toMatchObject({ status: 1, stderr: "IB device 'mlx5_0' wasn't found\n" });
    const elsewhere = await verbena(['devinfo', '-d', 'x=192.0.2.77']);
    expect(elsewhere.status).toBe(1);
    expect(elsewhere.stderr).toMatch(/EADDRNOTAVAIL/);
    expect((await verbena(['devinfo', '-d', 'x=y'])).status).toBe(2);
  });

  it('explains codes by name and by number, and says what is near when there is none', async () => {
    const [name, number, listed, unknown, none] = await Promise.all([
      verbena(['explain', 'ibv_wc_retry_exc_err']),
      verbena(['explain', 'uet', 'return-code', '0x0a', '--json']),
      verbena(['explain', '--list', 'nack', '--json']),
      verbena(['explain', 'RETRY_EXEC_ERR']),
      verbena(['explain']),
    ]);
    expect(name).toMatchObject({ status: 0, stderr: '' });
    expect(name.stdout).toMatch(/^RETRY_EXC_ERR: .*\n {2}is {7}completion status 12 \(0x0c\)\n.*\n {2}try {6}\S/s);
    expect(jsonLines(number.stdout)).toMatchObject([
      { kind: 'return-code', name: 'AT_ATS_ERROR', value: 10, transport: 'uet', layer: 'SES', status: 'REM_OP_ERR' },
    ]);
    expect(jsonLines(listed.stdout)).toHaveLength(28);
    expect(unknown).toMatchObject({ status: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/^nothing is known of 'RETRY_EXEC_ERR'; nearest: RETRY_EXC_ERR.*\n$/);
    expect(none.status).toBe(2);
  });

  it('doctor checks the machine', async () => {
    const { status, stdout } = await verbena(['doctor', '--json']);
    const [report] = jsonLines(stdout);
    expect(report!.usable).toBe(status === 0);
    const checks = report!.checks as { name: string; state: string; meaning: string }[];
    expect(checks.length).toBeGreaterThan(8);
    for (const { state, meaning } of checks) {
      expect(['ok', 'warn', 'fail']).toContain(state);
      expect(meaning === '').toBe(state === 'ok');
    }
  });
});
