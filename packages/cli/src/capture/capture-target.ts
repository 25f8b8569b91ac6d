/** Where a capture goes: a file, or standard output for another program. */
import { closeSync, fchmodSync, openSync, writeSync } from 'node:fs';
import { BadInput, fileError, systemCode } from '../failure.ts';

export class CaptureTarget {
  readonly isOutput: boolean;
  readonly #path: string;
  readonly #file: number;

  /**
   * @param isPrivate - nobody else may read the file
   * @param path - a file, `-` for standard output; without it standard output, unless that is a terminal
   * @throws BadInput standard output is a terminal
   * @throws VerbsError the file cannot be written
   */
  constructor(path: string | undefined, isPrivate = false) {
    this.isOutput = path === undefined || path === '-';
    this.#path = path ?? '-';
    if (this.isOutput) {
      if (process.stdout.isTTY) throw new BadInput('a capture is nothing for a terminal', '-o FILE, or a pipe');
      this.#file = STDOUT;
      return;
    }
    try {
      this.#file = openSync(this.#path, 'w', isPrivate ? 0o600 : 0o666);
      if (isPrivate) fchmodSync(this.#file, 0o600); // it may have been there
    } catch (thrown) {
      throw fileError('capture', this.#path, thrown);
    }
  }

  /** @returns false when nobody reads any more @throws VerbsError the disk is full, or gone */
  async write(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(this.#file, bytes, at);
      } catch (thrown) {
        const code = systemCode(thrown);
        if (this.isOutput && code === 'EPIPE') return false;
        if (code !== 'EAGAIN') throw fileError('capture', this.isOutput ? 'standard output' : this.#path, thrown);
        await new Promise((resolve) => setTimeout(resolve, FULL_PIPE_MS));
      }
    }
    return true;
  }

  close(): void {
    if (!this.isOutput) closeSync(this.#file);
  }
}

const STDOUT = 1;
/** A reader that is slow is looked at again after this long. */
const FULL_PIPE_MS = 5;
