/** `verbena resource`: objects of all programs, in the manner of `rdma resource`. */
import { MANAGEMENT, type Row } from '@verbena/core';
import type { Command } from 'commander';
import type { Management } from '../manage/management.ts';
import { addManagementCommand, type ManagementCommand, type ManagementRun } from '../manage/management-command.ts';
import { filterOf, resourceLine, summaryLine } from '../manage/resource-text.ts';
import { rowsMatching } from '../manage/row-filter.ts';
import type { Words } from '../manage/words.ts';

const { RESOURCE } = MANAGEMENT;

export const RESOURCE_COMMAND: ManagementCommand = {
  name: 'resource',
  text: 'show the objects of all programs that use a daemon',
  usage: [
    'verbena resource [show [DEV]]                              counts',
    'verbena resource show KIND [link DEV[/PORT]] [NAME VALUE]...   objects: pd mr cq qp ctx srq job pdc ... or all',
  ],
  examples: [
    'verbena resource',
    'verbena resource show qp link uet0/1 pid 4711',
    'verbena resource show qp lqpn 0-100 --filter state=RTS --json',
    'verbena resource show pdc --details',
  ],
  verbs: { show },
};

export const addResource = (program: Command): Command => addManagementCommand(program, RESOURCE_COMMAND);

function show({ management, words, output, filter, details }: ManagementRun): void {
  const { rows: summary } = management.call(RESOURCE, RESOURCE.methods.SUMMARY, {});
  const word = words.next();
  const isDevice = word !== undefined && summary.some(({ ifindex, dev }) => dev === word || String(ifindex) === word);
  const kinds = kindsOf(summary);
  if (word === undefined || (isDevice && !kinds.includes(word))) {
    words.end();
    const rows =
      word === undefined ? summary : management.call(RESOURCE, RESOURCE.methods.SUMMARY, { device: word }).rows;
    for (const row of rowsMatching(rows, filter)) {
      output.text(summaryLine(row, details));
      output.json(row);
    }
    return;
  }
  if (word !== 'all' && !kinds.includes(word)) {
    throw words.wrong(
      `'${word}' is neither a device nor a kind of object; kinds: ${kinds.join(' ') || 'none, without a device'}`,
    );
  }
  const place = placeOf(words);
  const wanted = { ...place.filter, ...filterOf(word, words.pairs()), ...filter };
  const input = { device: place.device, kind: word === 'all' ? undefined : word, filter: wanted };
  for (const row of resourceRows(management, input)) {
    output.text(resourceLine(row, details));
    output.json(row);
  }
}

/** Everything that matches, part by part. */
function* resourceRows(
  management: Management,
  input: { readonly device: string | undefined; readonly kind: string | undefined; readonly filter: Row },
): IterableIterator<Row> {
  for (let after = ''; ; ) {
    const { rows, next } = management.call(RESOURCE, RESOURCE.methods.SHOW, { ...input, after });
    yield* rows;
    if (next === '') return;
    after = next;
  }
}

/** `link DEV[/PORT]` or `dev DEV`. */
export function placeOf(words: Words): { readonly device: string | undefined; readonly filter: Row } {
  if (!words.accept('link') && !words.accept('dev')) return { device: undefined, filter: {} };
  const [device, port] = words.need('DEV').split('/', 2);
  return { device, filter: port === undefined || port === '-' ? {} : { port: String(words.number('PORT', port)) } };
}

function kindsOf(summary: readonly Row[]): string[] {
  const cells = summary.flatMap((row) => Object.keys(row));
  return [...new Set(cells)].filter((cell) => cell !== 'ifindex' && cell !== 'dev' && !cell.startsWith('max_'));
}
