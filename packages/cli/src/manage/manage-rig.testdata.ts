/** Management commands on a simulated host in this process: what they print, line by line. */
import { type Row, type Session, TRANSPORTS } from '@verbena/core';
import { SimHost } from '@verbena/core/testing';
import { Output } from '../print/output.ts';
import { Management } from './management.ts';
import { type ManagementCommand, verbOf } from './management-command.ts';
import { Words } from './words.ts';

export interface RunOptions {
  readonly filter?: Row;
  readonly details?: boolean;
  readonly json?: boolean;
  readonly count?: number;
  readonly session?: Session;
}

export class ManageRig {
  readonly host = new SimHost({ seed: 17 });
  readonly uet = TRANSPORTS.find(({ name }) => name === 'uet')!;
  readonly session: Session;
  readonly notes: string[] = [];
  /** Run whenever a command waits. */
  onWait: (() => void) | undefined;

  constructor() {
    const { uet } = this;
    const loop = TRANSPORTS.find(({ name }) => name === 'loop')!;
    this.host.plug('uet0', [{ transport: uet, address: '10.0.0.1' }]);
    this.host.plug('dual0', [
      { transport: uet, address: '10.0.0.2' },
      { transport: loop, address: 'fd00::2', port: 2 },
    ]);
    this.host.system.deviceFactory = {
      add: ({ name, address }) => this.host.plug(String(name), [{ transport: uet, address: String(address) }]),
    };
    this.session = this.host.program({ pid: 9, name: 'verbena' }).session;
  }

  /** Runs words of a command. @returns what it printed, as lines */
  async run(command: ManagementCommand, words: string, options: RunOptions = {}): Promise<string[]> {
    const { filter = {}, details = false, json = false, count, session = this.session } = options;
    const output = new RecordedOutput(json, this.notes);
    const all = words.split(' ').filter((word) => word !== '');
    const management = new Management({
      invoke: (message) => session.invoke(message),
      wait: async () => this.onWait?.(),
      close: () => {},
    });
    const run = { management, output, filter, details, count, words: new Words(all.slice(1), command.usage) };
    await verbOf(command, all[0])(run);
    return output.lines;
  }
}

class RecordedOutput extends Output {
  readonly lines: string[] = [];
  readonly #notes: string[];

  constructor(isJson: boolean, notes: string[]) {
    super(isJson);
    this.#notes = notes;
  }

  override text(line = ''): void {
    if (!this.isJson) this.lines.push(line);
  }

  override json(document: unknown): void {
    if (this.isJson) this.lines.push(JSON.stringify(document));
  }

  override note(line: string): void {
    this.#notes.push(line);
  }
}
