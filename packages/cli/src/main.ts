#!/usr/bin/env node
/** The command `verbena`. */
import { removeLeftOvers } from './copy/file-sink.ts';
import { explainFailure } from './failure.ts';
import { complain } from './print/output.ts';
import { runProgram } from './program.ts';

const debug = Boolean(process.env.VERBENA_DEBUG);

process.on('exit', removeLeftOvers);
// a reader that has seen enough (`verbena decode x | head`) is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

try {
  process.exitCode = await runProgram(process.argv.slice(2));
} catch (thrown) {
  fail(thrown);
}

function fail(thrown: unknown): never {
  const { text, status } = explainFailure(thrown, debug);
  complain(text);
  process.exit(status);
}
