/** `verbena keys`: key files of secure domains. No form of it prints a key. */
import type { DomainMode, Row } from '@verbena/core';
import { KeyRing } from '@verbena/node';
import type { Command } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { verbOf } from '../manage/management-command.ts';
import { restText } from '../manage/row-text.ts';
import { Words } from '../manage/words.ts';
import type { Output } from '../print/output.ts';

/** One run of a verb. */
export interface KeysRun {
  readonly words: Words;
  readonly output: Output;
}

export const KEYS_COMMAND = {
  name: 'keys',
  text: 'make, show and rotate the key files of secure domains; keys are never printed',
  usage: [
    'verbena keys show FILE',
    'verbena keys generate FILE [domain SDI] [mode direct|cluster|server] [ssi NUMBER|clients]',
    'verbena keys derive FILE NEWFILE client ADDRESS|SSI [domain SDI]',
    'verbena keys renew FILE [domain SDI]',
    'verbena keys activate FILE an 0|1 [domain SDI]',
    'verbena keys retire FILE an 0|1 [domain SDI]',
  ],
  examples: [
    'verbena keys generate keys.json domain 0xabcd mode cluster',
    'verbena serve ./data --keys keys.json',
    'verbena cp 127.0.0.1:model.bin . --keys keys.json',
    'verbena keys generate server.json mode server',
    'verbena keys derive server.json client.json client 192.0.2.7',
  ],
  verbs: { show, generate, derive, renew, activate, retire },
} as const;

export function addKeys(program: Command): Command {
  const { name, text, usage, examples } = KEYS_COMMAND;
  return program
    .command(name)
    .description(text)
    .argument('<words...>', 'what to do, see below')
    .addHelpText(
      'after',
      `
Forms:
  ${usage.join('\n  ')}

Example:
  ${examples.join('\n  ')}

Files have mode 0600. Beside each a file .counters appears when it is used: keep the two together. All members of a direct
or cluster domain have a copy of one file; with source identifiers (ssi) each has its own number in it. \`renew\` puts a new
key into the slot that is not sent under; give the file to all members, then \`activate\`, then \`retire\`, each everywhere.`,
    )
    .action((words: readonly string[], options: JsonOption) => {
      const verb = verbOf<KeysRun>(KEYS_COMMAND, words[0]);
      return verb({ words: new Words(words.slice(1), usage), output: outputFor(options) });
    });
}

function show({ words, output }: KeysRun): void {
  const path = words.need('FILE');
  words.end();
  for (const row of KeyRing.read(path).rows()) print(output, row);
}

function generate({ words, output }: KeysRun): void {
  const path = words.need('FILE');
  const { domain = '1', mode = 'cluster', ssi, ...others } = words.pairs();
  refuseOthers(words, others);
  if (!MODES.includes(mode as Mode)) throw words.wrong(`'${mode}' is no mode of a new domain`);
  const ring = KeyRing.empty();
  const source = ssi === undefined ? {} : { ssi: ssi === 'clients' ? (true as const) : words.number('NUMBER', ssi) };
  ring.add(words.number('SDI', domain), { mode: mode as Mode, ...source });
  ring.write(path, false);
  print(output, ring.rows()[0]!);
}

function derive({ words, output }: KeysRun): void {
  const path = words.need('FILE');
  const target = words.need('NEWFILE');
  const { client, domain, ...others } = words.pairs();
  refuseOthers(words, others);
  if (client === undefined) throw words.wrong('whose keys? `client` is missing');
  const ring = KeyRing.read(path);
  const made = ring.derive(domainOf(words, ring, domain), client);
  made.write(target, false);
  print(output, made.rows()[0]!);
}

function renew(run: KeysRun): void {
  change(run, false, (ring, sdi) => ring.renew(sdi));
}

function activate(run: KeysRun): void {
  change(run, true, (ring, sdi, an) => ring.activate(sdi, an));
}

function retire(run: KeysRun): void {
  change(run, true, (ring, sdi, an) => ring.retire(sdi, an));
}

function change(
  { words, output }: KeysRun,
  needsSlot: boolean,
  make: (ring: KeyRing, sdi: number, an: number) => void,
): void {
  const path = words.need('FILE');
  const { domain, an, ...others } = words.pairs();
  refuseOthers(words, others);
  if ((an !== undefined) !== needsSlot || (an !== undefined && an !== '0' && an !== '1')) {
    throw words.wrong(needsSlot ? 'which slot? `an 0` or `an 1`' : 'the slot is the one that is not sent under');
  }
  const ring = KeyRing.read(path);
  const sdi = domainOf(words, ring, domain);
  make(ring, sdi, Number(an));
  ring.write(path, true);
  print(output, ring.rows().find((row) => row.sdi === sdi)!);
}

/** The domain that is meant: what is said, else the only one. Also of `verbena secdom`. */
export function domainOf(words: Words, { identifiers }: KeyRing, text: string | undefined): number {
  if (text !== undefined) return words.number('SDI', text);
  if (identifiers.length === 1) return identifiers[0]!;
  throw words.wrong(`the file has ${identifiers.length} domains: \`domain SDI\` is missing`);
}

function refuseOthers(words: Words, others: Readonly<Record<string, string>>): void {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw words.wrong(`'${unknown}' is not known here`);
}

function print(output: Output, row: Row): void {
  output.text(secureDomainText(row));
  output.json(row);
}

/** A domain as a line: identifiers as they stand in packets. */
export const secureDomainText = (row: Row): string =>
  restText({ ...row, sdi: `0x${Number(row.sdi).toString(16)}` }, []).replace(/^sdi /, 'domain ');

type Mode = Exclude<DomainMode, 'client'>;
const MODES: readonly Mode[] = ['direct', 'cluster', 'server'];
