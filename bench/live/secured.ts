/**
 * Protected traffic beside clear traffic, between two processes on loopback: the same tests, interleaved, ratios within a
 * round. What protecting a packet costs, and where that goes, is what `npm run bench -- seal` says.
 *
 *   npm run bench -- live --secured [--rounds 5] [--seconds 1] [--json]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRing } from '@verbena/node';
import { type PerfRow, runPerf, TESTS, type Test, value } from './perf-run.ts';
import { median, spread } from './statistics.ts';

interface Figure {
  readonly test: Test;
  readonly clear: PerfRow[];
  readonly secured: PerfRow[];
}

export async function compareSecured(rounds: number, seconds: string, isJson: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'verbena-bench-'));
  const keys = join(folder, 'keys.json');
  try {
    const ring = KeyRing.empty();
    ring.add(1, { mode: 'cluster' });
    ring.write(keys, false);
    const figures: Figure[] = TESTS.filter(({ name }) => SHOWN.includes(name)).map((test) => ({
      ...{ test, clear: [], secured: [] },
    }));
    for (let round = 0; round < rounds; round++) {
      for (const { test, clear, secured } of figures) {
        clear.push(await runPerf(test, seconds));
        secured.push(await runPerf(test, seconds, { keys }));
      }
      if (!isJson) process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    print(figures, rounds, isJson);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function print(figures: readonly Figure[], rounds: number, isJson: boolean): void {
  const rows = figures.map(({ test, clear, secured }) => {
    const [plain, sealed] = [clear, secured].map((list) => list.map((row) => value(test, row)));
    const ratio = median(sealed!.map((one, i) => one / plain![i]!));
    return { test, plain: plain!, sealed: sealed!, ratio };
  });
  if (isJson) {
    console.log(
      JSON.stringify({
        bench: 'live --secured',
        node: process.version,
        rounds,
        results: rows.map(({ test, plain, sealed, ratio }) => ({
          ...{ test: test.name, unit: test.unit, ratio },
          clear: { median: median(plain), values: plain },
          secured: { median: median(sealed), values: sealed },
        })),
      }),
    );
    return;
  }
  console.log(`Node ${process.version}, ${rounds} rounds; medians [min..max], ratio within a round\n`);
  console.log(['test'.padEnd(24), 'unit', 'clear'.padEnd(22), 'protected (ratio)'].join('  '));
  for (const { test, plain, sealed, ratio } of rows) {
    console.log(
      [
        test.name.padEnd(24),
        test.unit.padEnd(4),
        spread(plain).padEnd(22),
        `${spread(sealed)} (${ratio.toFixed(2)}x)`,
      ].join('  '),
    );
  }
}

const SHOWN: readonly string[] = ['write 1 MiB', 'read 1 MiB', 'write 64 B, window 1024', 'send 64 B one way'];
