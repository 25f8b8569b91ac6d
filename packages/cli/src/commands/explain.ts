/** `verbena explain WHAT`: what a code means and what to do about it. */
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { CodeBook } from '../explain/code-book.ts';
import { meaningCells, meaningDocument, meaningLines } from '../explain/meaning-text.ts';
import { BadInput } from '../failure.ts';
import type { Output } from '../print/output.ts';
import { tableText } from '../print/table.ts';

interface ExplainOptions extends JsonOption {
  /** True without a kind. */
  readonly list?: string | true;
}

export function addExplain(program: Command, setStatus: (status: number) => void): Command {
  const book = new CodeBook();
  return program
    .command('explain')
    .description('say what a status, drop reason, return code, NACK, event or error means, and what to do')
    .argument('[what...]', 'a name; or a kind, or a transport and a kind, and a number')
    .option('-l, --list [kind]', 'all codes, or those of a kind or transport')
    .addHelpText(
      'after',
      `
Kinds: ${book.kinds.join(', ')}

Example:
  verbena explain RETRY_EXC_ERR
  verbena explain dropped_icrc
  verbena explain status 12
  verbena explain uet return-code 0x0a
  verbena explain --list nack

A number without a kind gives all codes that have it. Exit status 1 means that nothing has that name or number.`,
    )
    .action((words: readonly string[], options: ExplainOptions) => {
      const output = outputFor(options);
      if (options.list !== undefined) return list(book, listed(words, options.list), output);
      if (words.length === 0) throw new BadInput('explain what?', 'verbena explain RETRY_EXC_ERR, or --list');
      const found = book.find(words);
      if (found.length === 0) {
        output.note(`nothing is known of '${words.join(' ')}'; ${book.hint(words)}`);
        setStatus(1);
        return;
      }
      output.text(found.map((one) => meaningLines(one).join('\n')).join('\n\n'));
      for (const one of found) output.json(meaningDocument(one));
    });
}

function list(book: CodeBook, words: readonly string[], output: Output): void {
  const found = book.list(words);
  if (found.length === 0) throw new BadInput(`'${words.join(' ')}' is no kind of code`, book.kinds.join(', '));
  output.text(tableText(COLUMNS, found.map(meaningCells)));
  for (const one of found) output.json(meaningDocument(one));
}

const listed = (words: readonly string[], kind: string | true) => (kind === true ? words : [kind, ...words]);

const COLUMNS = [
  { title: 'kind' },
  { title: 'transport' },
  { title: 'number', right: true },
  { title: 'name' },
  { title: 'meaning' },
];
