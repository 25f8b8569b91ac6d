/** `verbena job`: jobs for launchers. */
import { MANAGEMENT, type Row } from '@verbena/core';
import type { Command } from 'commander';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { rowsMatching } from '../manage/row-filter.ts';
import { cellsText, restText } from '../manage/row-text.ts';

const { JOBS } = MANAGEMENT;

export const JOB_COMMAND: ManagementCommand = {
  name: 'job',
  text: 'show, make, hand on and end the jobs of a daemon',
  usage: [
    'verbena job [show [NAME]]',
    'verbena job add ID [name NAME] [addresses N]',
    'verbena job export ID                      prints a capability: whoever has it may join',
    'verbena job delete ID',
  ],
  examples: ['verbena job add 7 name training addresses 64', 'verbena job export 7', 'verbena job delete 7'],
  verbs: { show, add, export: exportJob, delete: remove },
};

export const addJob = (program: Command): Command => addManagementCommand(program, JOB_COMMAND);

function show({ management, words, output, filter, details }: ManagementRun): void {
  const name = words.next();
  words.end();
  for (let after = ''; ; ) {
    const { rows, next } = management.call(JOBS, JOBS.methods.SHOW, { name, after });
    for (const row of rowsMatching(rows, filter)) {
      output.text(jobLine(row, details));
      output.json(row);
    }
    if (next === '') return;
    after = next;
  }
}

function add({ management, words }: ManagementRun): void {
  const id = words.number('ID');
  const { name, addresses, ...others } = words.pairs();
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw words.wrong(`a job has no '${unknown}'`);
  const maxAddresses = addresses === undefined ? undefined : words.number('N', addresses);
  management.call(JOBS, JOBS.methods.ADD, { id, name, maxAddresses });
}

/** The one place where a capability is printed: that is what it is asked for. */
function exportJob({ management, words, output }: ManagementRun): void {
  const id = words.number('ID');
  words.end();
  const { token } = management.call(JOBS, JOBS.methods.EXPORT, { id });
  const text = Buffer.from(token).toString('hex');
  output.text(text);
  output.json({ job: id, token: text });
}

function remove({ management, words }: ManagementRun): void {
  const id = words.number('ID');
  words.end();
  management.call(JOBS, JOBS.methods.DELETE, { id });
}

function jobLine(row: Row, details: boolean): string {
  const brief = ['job', 'name', 'netns', 'uid', 'addresses', ['endpoint_count', 'endpoints']] as const;
  if (!details) return cellsText(row, [...brief, 'devices', 'pid']);
  return restText(row, ['endpoint_count']);
}
