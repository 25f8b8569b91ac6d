/** `verbena system`: namespaces, sessions, resource groups; in the manner of `rdma system`. */
import { MANAGEMENT, type Row } from '@verbena/core';
import type { Command } from 'commander';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { rowsMatching } from '../manage/row-filter.ts';
import { restText } from '../manage/row-text.ts';

const { SYSTEM } = MANAGEMENT;

export const SYSTEM_COMMAND: ManagementCommand = {
  name: 'system',
  text: 'show and change modes and limits of a daemon',
  usage: [
    'verbena system [show]',
    'verbena system show sessions',
    'verbena system show group [PATH]',
    'verbena system set netns shared|exclusive',
    'verbena system set group PATH [dev DEV RESOURCE MAX...]     RESOURCE: hca_handle hca_object mr_mem; MAX: a number, or max',
    'verbena system set pid PID group PATH',
    'verbena system delete group PATH',
  ],
  examples: [
    'verbena system',
    'verbena system set group /tenants/a dev uet0 hca_object 1000 mr_mem 1073741824',
    'verbena system set pid 4711 group /tenants/a',
  ],
  verbs: { show, set, delete: remove },
};

export const addSystem = (program: Command): Command => addManagementCommand(program, SYSTEM_COMMAND);

function show(run: ManagementRun): void {
  const { management, words } = run;
  const what = words.next();
  const path = words.next();
  words.end();
  if (what === undefined) return print(run, [management.call(SYSTEM, SYSTEM.methods.SHOW, {}).attributes]);
  if (what === 'sessions' && path === undefined) return showParts(run, SYSTEM.methods.SESSIONS, {});
  if (what === 'group') return showParts(run, SYSTEM.methods.GROUP_SHOW, path === undefined ? {} : { group: path });
  throw words.wrong(`'${what}' cannot be shown`);
}

function showParts(
  run: ManagementRun,
  method: typeof SYSTEM.methods.SESSIONS | typeof SYSTEM.methods.GROUP_SHOW,
  input: { readonly group?: string },
): void {
  for (let after = ''; ; ) {
    const { rows, next } = run.management.call(SYSTEM, method as typeof SYSTEM.methods.GROUP_SHOW, { ...input, after });
    print(run, rows);
    if (next === '') return;
    after = next;
  }
}

function print({ output, filter }: ManagementRun, rows: readonly Row[]): void {
  for (const row of rowsMatching(rows, filter)) {
    output.text(restText(row, []));
    output.json(row);
  }
}

function set({ management, words, output }: ManagementRun): void {
  const what = words.need('what to set');
  if (what === 'netns') {
    const mode = words.need('the mode');
    words.end();
    const values: Readonly<Record<string, number>> = { shared: 0, exclusive: 1 };
    const netns = values[mode];
    if (netns === undefined) throw words.wrong(`'${mode}' is no mode of namespaces`);
    management.call(SYSTEM, SYSTEM.methods.SET, { netns });
  } else if (what === 'group') {
    const group = words.need('PATH');
    const device = words.accept('dev') ? words.need('DEV') : undefined;
    const limits = words.pairs();
    const isEmpty = Object.keys(limits).length === 0;
    if (device === undefined && !isEmpty) throw words.wrong('limits are those of a device: `dev DEV` is missing');
    management.call(SYSTEM, SYSTEM.methods.GROUP_SET, { group, device, limits: isEmpty ? undefined : limits });
  } else if (what === 'pid') {
    const pid = words.number('PID');
    if (!words.accept('group')) throw words.wrong('`group PATH` is missing');
    const group = words.need('PATH');
    words.end();
    const { sessions } = management.call(SYSTEM, SYSTEM.methods.GROUP_ATTACH, { group, pid });
    output.json({ pid, group, sessions });
  } else throw words.wrong(`'${what}' cannot be set`);
}

function remove({ management, words }: ManagementRun): void {
  if (!words.accept('group')) throw words.wrong('`group PATH` is missing');
  const group = words.need('PATH');
  words.end();
  management.call(SYSTEM, SYSTEM.methods.GROUP_DELETE, { group });
}
