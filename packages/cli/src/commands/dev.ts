/** `verbena dev`: devices, in the manner of `rdma dev`. */
import { MANAGEMENT, type Row } from '@verbena/core';
import type { Command } from 'commander';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { rowsMatching } from '../manage/row-filter.ts';
import { cellsText, lineText, restText } from '../manage/row-text.ts';

const { DEV } = MANAGEMENT;

export const DEV_COMMAND: ManagementCommand = {
  name: 'dev',
  text: 'show, change, add and remove the devices of a daemon',
  usage: [
    'verbena dev [show [DEV]]',
    'verbena dev set DEV [name NEW] [netns NAMESPACE]',
    'verbena dev add NAME address ADDRESS [type TRANSPORT] [NAME VALUE]...',
    'verbena dev delete DEV',
    'verbena dev reset DEV',
  ],
  examples: ['verbena dev', 'verbena dev add uet1 address 127.0.0.2', 'verbena dev set uet1 name left'],
  verbs: { show, set, add, delete: remove, reset },
};

export const addDev = (program: Command): Command => addManagementCommand(program, DEV_COMMAND);

function show({ management, words, output, filter, details }: ManagementRun): void {
  const device = words.next();
  words.end();
  const { rows } = management.call(DEV, DEV.methods.SHOW, device === undefined ? {} : { device });
  for (const row of rowsMatching(rows, filter)) {
    output.text(devLine(row, details));
    output.json(row);
  }
}

function set({ management, words }: ManagementRun): void {
  const device = words.need('DEV');
  const { name, netns, ...others } = words.pairs();
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw words.wrong(`'${unknown}' of a device cannot be set`);
  if (name === undefined && netns === undefined) throw words.wrong('there is nothing to set');
  management.call(DEV, DEV.methods.SET, { device, name, netns });
}

/** Also `verbena link add`. */
export function add({ management, words, output }: ManagementRun): void {
  const name = words.need('NAME');
  const given = words.pairs();
  // rdma(8) calls it so
  const { netdev, ...rest } = given;
  const options: Row = { name, ...(netdev === undefined ? {} : { address: netdev }), ...withNumbers(rest) };
  if (options.address === undefined) throw words.wrong('ADDRESS is missing');
  const { ifindex } = management.call(DEV, DEV.methods.ADD, { options });
  output.json({ ifindex, name });
}

/** Also `verbena link delete`. */
export function remove({ management, words }: ManagementRun): void {
  const device = words.need('DEV');
  words.end();
  management.call(DEV, DEV.methods.DELETE, { device });
}

function reset({ management, words }: ManagementRun): void {
  const device = words.need('DEV');
  words.end();
  management.call(DEV, DEV.methods.RESET, { device });
}

function devLine(row: Row, details: boolean): string {
  const shown = { ...row, node_guid: groups(row.node_guid), sys_image_guid: groups(row.sys_image_guid) };
  const brief = ['node_type', 'fw', 'node_guid', 'sys_image_guid'];
  const rest = details ? restText(row, ['ifindex', 'dev', ...brief]) : '';
  return `${row.ifindex}: ${lineText(`${row.dev}:`, cellsText(shown, brief), rest)}`;
}

const groups = (guid: unknown): string => String(guid ?? '').replace(/(.{4})(?=.)/g, '$1:');

function withNumbers(words: Readonly<Record<string, string>>): Row {
  return Object.fromEntries(
    Object.entries(words).map(([name, value]) => [name, /^\d{1,15}$/.test(value) ? Number(value) : value]),
  );
}
