/**
 * What a daemon between program and network costs: the same two programs with devices of their own, with a daemon each
 * (as on two machines), and with one daemon for both. Rounds are interleaved, ratios are taken within a round.
 *
 *   npm run bench -- daemon [--rounds 5] [--seconds 1] [--json]
 */
import { parseArgs } from 'node:util';
import { DaemonProcess } from '../control/daemon-process.ts';
import { runPerf, TESTS, value } from './perf-run.ts';
import { median, spread } from './statistics.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

const figures = TESTS.map((test) => ({ test, embedded: [] as number[], two: [] as number[], one: [] as number[] }));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { test, embedded, two, one } of figures) {
    embedded.push(value(test, await runPerf(test, values.seconds!)));
    const [server, client] = await Promise.all([DaemonProcess.start('127.0.0.1'), DaemonProcess.start('127.0.0.2')]);
    two.push(value(test, await runPerf(test, values.seconds!, { sockets: [server.socket, client.socket] })));
    await Promise.all([server.stop(), client.stop()]);
    const both = await DaemonProcess.start('127.0.0.1', '127.0.0.2');
    one.push(value(test, await runPerf(test, values.seconds!, { sockets: [both.socket, both.socket] })));
    await both.stop();
  }
  if (!values.json) process.stderr.write(`round ${round + 1} of ${values.rounds}\n`);
}

const ratio = (list: readonly number[], to: readonly number[]): number => median(list.map((one, i) => one / to[i]!));
if (values.json) {
  console.log(
    JSON.stringify(
      figures.map(({ test, embedded, two, one }) => ({
        test: test.name,
        unit: test.unit,
        embedded: median(embedded),
        two_daemons: median(two),
        one_daemon: median(one),
        two_daemons_ratio: ratio(two, embedded),
        one_daemon_ratio: ratio(one, embedded),
      })),
    ),
  );
} else {
  console.log(`${values.rounds} rounds; medians [min..max], ratios to devices of their own within a round\n`);
  console.log(
    ['test'.padEnd(24), 'unit', 'own devices'.padEnd(22), 'a daemon each'.padEnd(30), 'one daemon'].join('  '),
  );
  for (const { test, embedded, two, one } of figures) {
    const cells = [spread(embedded).padEnd(22), `${spread(two)} (${ratio(two, embedded).toFixed(2)}x)`.padEnd(30)];
    console.log(
      [
        test.name.padEnd(24),
        test.unit.padEnd(4),
        ...cells,
        `${spread(one)} (${ratio(one, embedded).toFixed(2)}x)`,
      ].join('  '),
    );
  }
}
