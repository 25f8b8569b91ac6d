/** Standard output of a command: text for people, or JSON for scripts, never both. */
import { writeSync } from 'node:fs';

export class Output {
  /** JSON was asked for: only {@link json} may write. */
  readonly isJson: boolean;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  /** A line of text; nothing when JSON was asked for. */
  text(line = ''): void {
    if (!this.isJson) process.stdout.write(`${line}\n`);
  }

  /** One JSON document on a line of its own; nothing when text is wanted. */
  json(document: unknown): void {
    if (this.isJson) process.stdout.write(`${JSON.stringify(document)}\n`);
  }

  /** A word on stderr about what goes on; results never go there. */
  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }
}

/** Writes to stderr before the process ends, whatever kind of stream it is. */
export function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // nobody reads stderr any more: the exit status still tells
  }
}
