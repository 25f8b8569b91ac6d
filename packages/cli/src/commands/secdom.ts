/** `verbena secdom`: secure domains of a daemon, in the manner of `ip macsec`. Keys come out of files and are never printed. */
import { MANAGEMENT } from '@verbena/core';
import { KeyRing } from '@verbena/node';
import type { Command } from 'commander';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { rowsMatching } from '../manage/row-filter.ts';
import { domainOf, secureDomainText } from './keys.ts';

const { SECDOM } = MANAGEMENT;

export const SECDOM_COMMAND: ManagementCommand = {
  name: 'secdom',
  text: 'show, add, rotate and remove the secure domains of a daemon',
  usage: [
    'verbena secdom [show [SDI]]',
    'verbena secdom add FILE [domain SDI]               the domain of a key file, with its keys',
    'verbena secdom install FILE [domain SDI] [an 0|1]  the key of the slot that the file does not send under',
    'verbena secdom activate SDI an 0|1',
    'verbena secdom retire SDI an 0|1',
    'verbena secdom delete SDI',
  ],
  examples: [
    'verbena secdom',
    'verbena keys renew keys.json',
    'verbena secdom install keys.json',
    'verbena secdom activate 0xabcd an 1',
    'verbena secdom retire 0xabcd an 0',
  ],
  verbs: { show, add, install, activate, retire, delete: remove },
};

export const addSecdom = (program: Command): Command => addManagementCommand(program, SECDOM_COMMAND);

function show({ management, words, output, filter }: ManagementRun): void {
  const sdi = words.left === 0 ? undefined : words.number('SDI');
  words.end();
  const { rows } = management.call(SECDOM, SECDOM.methods.SHOW, {});
  for (const row of rowsMatching(rows, filter)) {
    if (sdi !== undefined && row.sdi !== sdi) continue;
    output.text(secureDomainText(row));
    output.json(row);
  }
}

function add({ management, words }: ManagementRun): void {
  const ring = KeyRing.read(words.need('FILE'));
  const { domain, ...others } = words.pairs();
  refuseOthers(words, others);
  const sdi = domainOf(words, ring, domain);
  const first = ring.keyOf(sdi);
  const second = ring.hasKey(sdi, 1 - first.an) ? ring.keyOf(sdi, 1 - first.an) : undefined;
  try {
    const { bytes: key, an, epoch } = first;
    management.call(SECDOM, SECDOM.methods.ADD, { sdi, options: ring.optionsOf(sdi), key, an, epoch });
    if (second === undefined) return;
    management.call(SECDOM, SECDOM.methods.INSTALL, { sdi, key: second.bytes, an: second.an, epoch: second.epoch });
  } finally {
    first.bytes.fill(0);
    second?.bytes.fill(0);
  }
}

function install({ management, words }: ManagementRun): void {
  const ring = KeyRing.read(words.need('FILE'));
  const { domain, an, ...others } = words.pairs();
  refuseOthers(words, others);
  const sdi = domainOf(words, ring, domain);
  const slot = an === undefined ? 1 - ring.keyOf(sdi).an : slotOf(words, an);
  const { bytes: key, epoch } = ring.keyOf(sdi, slot);
  try {
    management.call(SECDOM, SECDOM.methods.INSTALL, { sdi, key, an: slot, epoch });
  } finally {
    key.fill(0);
  }
}

function activate({ management, words }: ManagementRun): void {
  management.call(SECDOM, SECDOM.methods.ACTIVATE, target(words));
}

function retire({ management, words }: ManagementRun): void {
  management.call(SECDOM, SECDOM.methods.RETIRE, target(words));
}

function remove({ management, words }: ManagementRun): void {
  const sdi = words.number('SDI');
  words.end();
  management.call(SECDOM, SECDOM.methods.DELETE, { sdi });
}

function target(words: ManagementRun['words']): { readonly sdi: number; readonly an: number } {
  const sdi = words.number('SDI');
  const { an, ...others } = words.pairs();
  refuseOthers(words, others);
  return { sdi, an: slotOf(words, an) };
}

function slotOf(words: ManagementRun['words'], text: string | undefined): number {
  if (text === '0' || text === '1') return Number(text);
  throw words.wrong('which slot? `an 0` or `an 1`');
}

function refuseOthers(words: ManagementRun['words'], others: Readonly<Record<string, string>>): void {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw words.wrong(`'${unknown}' is not known here`);
}
