/** `verbena statistic`: counters of devices and queue pairs, in the manner of `rdma statistic`. */
import { MANAGEMENT } from '@verbena/core';
import type { Command } from 'commander';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { filterOf } from '../manage/resource-text.ts';
import { cellsText, lineText, restText } from '../manage/row-text.ts';
import { placeOf } from './resource.ts';

const { DEV, STATISTIC } = MANAGEMENT;

export const STATISTIC_COMMAND: ManagementCommand = {
  name: 'statistic',
  text: 'show what the devices of a daemon count',
  usage: ['verbena statistic [show [DEV | link DEV]]', 'verbena statistic show qp [link DEV[/PORT]] [NAME VALUE]...'],
  examples: ['verbena statistic', 'verbena statistic show uet0 --json', 'verbena statistic show qp pid 4711'],
  verbs: { show, qp: queuePairs },
};

export const addStatistic = (program: Command): Command => addManagementCommand(program, STATISTIC_COMMAND);

function show(run: ManagementRun): void {
  const { management, words, output, details } = run;
  if (words.accept('qp')) return showQueuePairs(run);
  const { device = words.next() } = placeOf(words);
  words.end();
  const names =
    device === undefined ? management.call(DEV, DEV.methods.SHOW, {}).rows.map(({ dev }) => String(dev)) : [device];
  for (const dev of names) {
    const { counters } = management.call(STATISTIC, STATISTIC.methods.SHOW, { device: dev });
    // most of a device's counters are those of mishaps, and 0
    const shown = Object.keys(counters).filter((name) => details || counters[name] !== 0);
    output.text(lineText(`dev ${dev}`, cellsText(counters, shown)));
    output.json({ dev, counters });
  }
}

/** As rdma(8) has it: `statistic qp show`. */
function queuePairs(run: ManagementRun): void {
  run.words.accept('show');
  showQueuePairs(run);
}

function showQueuePairs({ management, words, output, filter }: ManagementRun): void {
  const place = placeOf(words);
  const wanted = { ...place.filter, ...filterOf('qp', words.pairs()), ...filter };
  for (let after = ''; ; ) {
    const input = { device: place.device, filter: wanted, after };
    const { rows, next } = management.call(STATISTIC, STATISTIC.methods.QP_SHOW, input);
    for (const row of rows) {
      const head = ['dev', 'port', 'id', 'qpn', 'type', 'pid', 'comm'];
      const owner = cellsText(row, [['qpn', 'lqpn'], 'type', 'pid', 'comm']);
      output.text(lineText(`link ${row.dev}/${row.port ?? '-'}`, owner, restText(row, head)));
      output.json(row);
    }
    if (next === '') return;
    after = next;
  }
}
