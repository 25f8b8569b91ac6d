/** What the management commands share: one grammar, one connection, text or JSON. */
import type { Row } from '@verbena/core';
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { BadInput } from '../failure.ts';
import type { Output } from '../print/output.ts';
import { Management } from './management.ts';
import { collectFilter, Words } from './words.ts';

export interface ManagementCommand {
  readonly name: string;
  readonly text: string;
  /** Forms of the command, with its name; the first verb is what no words mean. */
  readonly usage: readonly string[];
  readonly examples: readonly string[];
  /** A verb may be shortened while it is the only one that begins so. */
  readonly verbs: Readonly<Record<string, (run: ManagementRun) => void | Promise<void>>>;
}

/** What finding a verb needs of a command. */
interface Verbs<R> {
  readonly name: string;
  readonly usage: readonly string[];
  readonly verbs: Readonly<Record<string, (run: R) => void | Promise<void>>>;
}

/** One run of a command. */
export interface ManagementRun {
  readonly management: Management;
  readonly words: Words;
  readonly output: Output;
  readonly filter: Row;
  readonly details: boolean;
  /** Ends after so many events; undefined: when the user says so. */
  readonly count?: number | undefined;
}

interface ManagementOptions extends JsonOption {
  readonly socket?: string;
  readonly details?: boolean;
  readonly filter: Row;
  readonly count?: number;
}

export function addManagementCommand(program: Command, command: ManagementCommand): Command {
  return program
    .command(command.name)
    .description(command.text)
    .argument('[words...]', 'what to do, see below; `show` when left out')
    .option('-s, --socket <path>', "the daemon's socket; VERBENA_SOCKET, or the usual one, when left out")
    .option('-d, --details', 'everything there is to show')
    .option('-f, --filter <key=value>', 'only rows with this value; can be repeated', collectFilter, {})
    .addHelpText('after', `\nForms:\n  ${command.usage.join('\n  ')}\n\nExample:\n  ${command.examples.join('\n  ')}`)
    .action(async (words: readonly string[], options: ManagementOptions) => {
      const verb = verbOf(command, words[0]);
      const management = Management.connect(options.socket);
      try {
        const { filter, details = false, count } = options;
        await verb({
          ...{ management, filter, details, count, output: outputFor(options) },
          words: new Words(words.slice(1), command.usage),
        });
      } finally {
        management.close();
      }
    });
}

/** The verb of a word. @throws BadInput no verb, or several, begin with the word */
export function verbOf<R = ManagementRun>(
  { name, verbs, usage }: Verbs<R>,
  word: string | undefined,
): (run: R) => void | Promise<void> {
  const names = Object.keys(verbs);
  const found = word === undefined ? names.slice(0, 1) : names.filter((one) => one === word);
  const [verb, second] = found.length > 0 ? found : names.filter((one) => one.startsWith(word!));
  if (verb !== undefined && second === undefined) return verbs[verb]!;
  throw new BadInput(`\`verbena ${name}\` does not know '${word}'`, usage.join('\n           '));
}
