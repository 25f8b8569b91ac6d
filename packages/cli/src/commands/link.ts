/** `verbena link`: ports and their addresses, in the manner of `rdma link`. */
import { MANAGEMENT, type Row } from '@verbena/core';
import type { Command } from 'commander';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { rowsMatching } from '../manage/row-filter.ts';
import { cellsText, lineText, restText } from '../manage/row-text.ts';
import { add, remove } from './dev.ts';

const { LINK } = MANAGEMENT;

export const LINK_COMMAND: ManagementCommand = {
  name: 'link',
  text: 'show ports and addresses of the devices of a daemon; add and remove devices',
  usage: [
    'verbena link [show [DEV[/PORT]]]',
    'verbena link add NAME type TRANSPORT address ADDRESS [NAME VALUE]...',
    'verbena link delete DEV',
  ],
  examples: ['verbena link', 'verbena link show uet0/1 --json', 'verbena link add uet1 type uet address 127.0.0.2'],
  verbs: { show, add, delete: remove },
};

export const addLink = (program: Command): Command => addManagementCommand(program, LINK_COMMAND);

function show({ management, words, output, filter, details }: ManagementRun): void {
  const [device, port] = words.next()?.split('/', 2) ?? [];
  words.end();
  const input = { device, port: port === undefined ? undefined : words.number('PORT', port) };
  const { rows } = management.call(LINK, LINK.methods.SHOW, input);
  for (const row of rowsMatching(rows, filter)) {
    output.text(linkLine(row, details));
    output.json(row);
  }
}

function linkLine(row: Row, details: boolean): string {
  const brief = ['state', 'physical_state', 'address', 'type'];
  const rest = details ? restText(row, ['ifindex', 'dev', 'port', ...brief]) : '';
  return lineText(`link ${row.dev}/${row.port}`, cellsText(row, brief), rest);
}
