/** All commands together. */
import { Command, CommanderError } from 'commander';
import { addCapture } from './commands/capture.ts';
import { addCp } from './commands/cp.ts';
import { addDecode } from './commands/decode.ts';
import { addDemo } from './commands/demo.ts';
import { addDev } from './commands/dev.ts';
import { addDevices } from './commands/devices.ts';
import { addDevinfo } from './commands/devinfo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExplain } from './commands/explain.ts';
import { addJob } from './commands/job.ts';
import { addKeys } from './commands/keys.ts';
import { addLink } from './commands/link.ts';
import { addMonitor } from './commands/monitor.ts';
import { addPerf } from './commands/perf.ts';
import { addPingpong } from './commands/pingpong.ts';
import { addResource } from './commands/resource.ts';
import { addSecdom } from './commands/secdom.ts';
import { addServe } from './commands/serve.ts';
import { addStandIn } from './commands/stand-in.ts';
import { addStatistic } from './commands/statistic.ts';
import { addSystem } from './commands/system.ts';
import { addUp } from './commands/up.ts';
import { VERSION } from './version.ts';

/**
 * Runs one command line.
 *
 * @returns the exit status
 * @throws whatever the command failed with
 */
export async function runProgram(words: readonly string[]): Promise<number> {
  let status = 0;
  const program = createProgram((value) => {
    status = value;
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return status;
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    return thrown.exitCode === 0 ? 0 : BAD_INPUT; // commander has said what is wrong
  }
}

/** @param setStatus - for commands that did their work and found something wrong */
export function createProgram(setStatus: (status: number) => void): Command {
  const program = new Command('verbena')
    .description('RDMA that runs anywhere Node runs: Ultra Ethernet as a user-space device.')
    .version(VERSION)
    .showHelpAfterError('(verbena --help lists the commands; verbena COMMAND --help shows an example)')
    .addHelpText(
      'after',
      '\nStart here:\n  verbena demo          two devices, a lossy link, all kinds of operation\n  verbena doctor        what on this machine is in the way',
    )
    .exitOverride();
  for (const add of COMMANDS) {
    const command = add(program, setStatus);
    command.option('--json', 'JSON for scripts instead of text').copyInheritedSettings(program);
  }
  return program;
}

const COMMANDS: readonly ((program: Command, setStatus: (status: number) => void) => Command)[] = [
  addDemo,
  addPerf,
  addPingpong,
  addStandIn,
  addServe,
  addCp,
  addDecode,
  addDevices,
  addDevinfo,
  addDoctor,
  addExplain,
  addKeys,
  addUp,
  addDev,
  addLink,
  addResource,
  addStatistic,
  addSystem,
  addJob,
  addSecdom,
  addMonitor,
  addCapture,
];

const BAD_INPUT = 2;
