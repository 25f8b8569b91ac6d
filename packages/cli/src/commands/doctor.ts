/** `verbena doctor`: what on this machine is in the way. */
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { runChecks } from '../inspect/checks.ts';
import { wholeNumber } from '../option-values.ts';
import { tableText } from '../print/table.ts';
import { DEFAULT_PORT } from '../session/carrier.ts';

interface DoctorOptions extends JsonOption {
  readonly port: number;
}

export function addDoctor(program: Command, setStatus: (status: number) => void): Command {
  return program
    .command('doctor')
    .description('check what on this machine helps or hinders')
    .option('-p, --port <number>', 'UDP port to look at', wholeNumber(1, 65_535), DEFAULT_PORT)
    .addHelpText('after', '\nExample:\n  verbena doctor\n\nExit status 1 means that something makes it unusable.')
    .action(async (options: DoctorOptions) => {
      const output = outputFor(options);
      const checks = await runChecks(options.port);
      const rows = checks.map(({ name, state, found }) => [MARKS[state], name, found]);
      output.text(tableText([{ title: '' }, { title: 'check' }, { title: 'found' }], rows));
      const wrong = checks.filter(({ state }) => state !== 'ok');
      if (wrong.length > 0) output.text();
      for (const { name, state, meaning } of wrong) output.text(`${MARKS[state]} ${name}: ${meaning}`);
      const isUsable = checks.every(({ state }) => state !== 'fail');
      output.text();
      output.text(isUsable ? 'RDMA works here. Try: verbena demo' : 'RDMA does not work here yet.');
      output.json({ usable: isUsable, checks });
      if (!isUsable) setStatus(1);
    });
}

const MARKS = { ok: ' ok ', warn: 'warn', fail: 'FAIL' } as const;
