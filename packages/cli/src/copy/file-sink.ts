/** A file that appears under its name only when it is complete. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError } from '../failure.ts';

export interface SinkOptions {
  readonly force: boolean;
  /** Flush to the disk before the file gets its name. */
  readonly sync: boolean;
  /** The path as the user knows it. */
  readonly shown?: string;
}

export class FileSink {
  readonly path: string;
  readonly #shown: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #options: SinkOptions;
  #open = true;

  private constructor(path: string, temporary: string, file: FileHandle, options: SinkOptions) {
    this.path = path;
    this.#shown = options.shown ?? path;
    this.#temporary = temporary;
    this.#file = file;
    this.#options = options;
    LEFT_OVERS.add(temporary);
  }

  static async create(path: string, options: SinkOptions): Promise<FileSink> {
    const name = `.${basename(path).slice(0, 200)}.${randomBytes(6).toString('hex')}.part`;
    const temporary = join(dirname(path), name);
    try {
      return new FileSink(path, temporary, await open(temporary, 'wx'), options);
    } catch (thrown) {
      throw fileError('cp', options.shown ?? path, thrown);
    }
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) {
        at += (await this.#file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
      }
    } catch (thrown) {
      throw fileError('cp', this.#shown, thrown);
    }
  }

  /** Gives the file its name. Without `force` a file that appeared meanwhile is not overwritten. */
  async commit(): Promise<void> {
    try {
      if (this.#options.sync) await this.#file.sync();
      await this.#close();
      if (this.#options.force) {
        await rename(this.#temporary, this.path);
      } else {
        await link(this.#temporary, this.path); // unlike rename, refuses to replace
        await rm(this.#temporary);
      }
      LEFT_OVERS.delete(this.#temporary);
    } catch (thrown) {
      await this.abandon();
      throw fileError('cp', this.#shown, thrown);
    }
  }

  /** Removes what was written. */
  async abandon(): Promise<void> {
    await this.#close();
    await rm(this.#temporary, { force: true });
    LEFT_OVERS.delete(this.#temporary);
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file.close();
  }
}

/** Removes unfinished files when the process must end at once. */
export function removeLeftOvers(): void {
  for (const path of LEFT_OVERS) rmSync(path, { force: true });
  LEFT_OVERS.clear();
}

const LEFT_OVERS = new Set<string>();
