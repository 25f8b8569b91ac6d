import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, verbena } from '../process-rig.testdata.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'verbena-demo-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('demo', () => {
  it('does all operations over a lossy link, and leaves a capture that decode reads', async () => {
    const { status, stdout, stderr } = await verbena(['demo', '--json'], { cwd: folder });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines.slice(0, -1).map(({ operation, ok }) => [operation, ok])).toEqual([
      ['send', true],
      ['write', true],
      ['write with immediate', true],
      ['read', true],
    ]);
    expect(lines.at(-1)).toEqual({ capture: 'verbena-demo.pcapng', ok: true });
    expect(lines.some((line) => Number(line.retransmitted_packets) > 0)).toBe(true);
    expect(readFileSync(join(folder, 'verbena-demo.pcapng')).length).toBeGreaterThan(100_000);
    const decoded = await verbena(['decode', 'verbena-demo.pcapng', '--frame', '1-20', '--json'], { cwd: folder });
    expect(decoded.stderr).toBe('');
    expect(decoded.status).toBe(0);
    const frames = jsonLines(decoded.stdout);
    expect(frames).toHaveLength(20);
    expect(frames[0]).toMatchObject({ frame: 1, protocols: ['IPv4', 'UDP', 'UET-PDS', 'UET-SES'], problems: [] });
  });

  it('shows a chart, a table and the next commands', async () => {
    const { status, stdout } = await verbena(['demo', '--drop', '0', '--capture', join(folder, 'x.pcapng')], {
      cwd: folder,
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/\|-- RUD_REQ/);
    expect(stdout.match(/every byte right/g)).toHaveLength(4);
    expect(stdout).toMatch(/verbena decode .*\n.*verbena perf .*\n.*verbena serve/);
  });
});
