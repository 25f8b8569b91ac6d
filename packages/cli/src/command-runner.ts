/** What all commands share: their output, their clean-up, and what Ctrl-C does. */
import { Interrupted } from './failure.ts';
import { Output } from './print/output.ts';

export interface JsonOption {
  readonly json?: boolean;
}

/**
 * Runs a command that Ctrl-C may end.
 *
 * The first signal aborts `signal`; the command is to stop what it does and to throw. A second one ends the process
 * at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted('interrupted'));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}

/** Resolves when the user stops the command. */
export function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

export function outputFor(options: JsonOption): Output {
  return new Output(options.json === true);
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
