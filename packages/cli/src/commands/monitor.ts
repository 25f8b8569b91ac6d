/** `verbena monitor`: devices that come and go, or the calls of the management channel, until Ctrl-C. */
import { MANAGEMENT, type Row } from '@verbena/core';
import type { Command } from 'commander';
import { interruptible } from '../command-runner.ts';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { rowsMatching } from '../manage/row-filter.ts';
import { cellsText, lineText, restText, valueText } from '../manage/row-text.ts';
import { wholeNumber } from '../option-values.ts';

const { MONITOR, TRACE } = MANAGEMENT;

export const MONITOR_COMMAND: ManagementCommand = {
  name: 'monitor',
  text: 'show devices of a daemon as they come, go and change, until Ctrl-C',
  usage: [
    'verbena monitor [devices]',
    'verbena monitor trace             requests and answers of the management channel',
  ],
  examples: ['verbena monitor', 'verbena monitor --count 1 --json', 'verbena monitor trace'],
  verbs: { devices: (run) => watch(run, MONITOR), trace: (run) => watch(run, TRACE) },
};

export const addMonitor = (program: Command): Command =>
  addManagementCommand(program, MONITOR_COMMAND).option(
    '-c, --count <n>',
    'end after so many',
    wholeNumber(1, 1_000_000_000),
  );

async function watch({ management, words, output, filter, count }: ManagementRun, object: Watched): Promise<void> {
  words.end();
  const { START, READ, STOP } = object.methods as typeof MONITOR.methods;
  const { wake } = management.call(object, START, {});
  output.json({ watching: object.short });
  await interruptible(async (signal) => {
    let left = count ?? Number.POSITIVE_INFINITY;
    while (left > 0) {
      const { rows, lost } = management.call(object, READ, {});
      if (lost > 0) output.note(`${lost} lost: they came faster than they were read`);
      for (const row of rowsMatching(rows, filter).slice(0, left)) {
        output.text(object === MONITOR ? eventLine(row) : traceLine(row));
        output.json(row);
        left--;
      }
      if (left > 0 && rows.length === 0) await management.wait(wake, LOOK_AGAIN_NS);
      if (signal.aborted) break;
    }
    management.call(object, STOP, {});
  });
}

type Watched = typeof MONITOR | typeof TRACE;

function eventLine(row: Row): string {
  const name = `[${valueText(row.event ?? '').toUpperCase()}]`;
  return lineText(name, `dev ${row.ifindex} ${valueText(row.dev ?? '')}`, cellsText(row, ['before', 'netns']));
}

function traceLine(row: Row): string {
  return lineText(valueText(row.call ?? ''), restText(row, ['seq', 'call']));
}

/** How long Ctrl-C can take; an event is shown at once. */
const LOOK_AGAIN_NS = 200_000_000;
