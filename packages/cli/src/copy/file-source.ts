/** A file that is read in order, once, and that must not change meanwhile. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fileError, refusal } from '../failure.ts';

export class FileSource {
  readonly path: string;
  readonly size: number;
  readonly #file: FileHandle;
  readonly #before: Stats;

  private constructor(path: string, file: FileHandle, before: Stats) {
    this.path = path;
    this.#file = file;
    this.#before = before;
    this.size = before.size;
  }

  /** @throws VerbsError when it is not a readable, regular file */
  static async open(path: string, shown = path): Promise<FileSource> {
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe must not make us wait
    } catch (thrown) {
      throw fileError('cp', shown, thrown);
    }
    try {
      const stats = await file.stat();
      if (!stats.isFile()) {
        throw refusal('EINVAL', 'cp', `${shown}: it is ${stats.isDirectory() ? 'a folder' : 'not a regular file'}`, {
          try: 'name a file; several files can be packed with tar first',
        });
      }
      return new FileSource(shown, file, stats);
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  /** Fills `into` from `position`. */
  async read(into: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < into.length; ) {
      const { bytesRead } = await this.#file
        .read(into, at, into.length - at, position + at)
        .catch((thrown: unknown) => Promise.reject(fileError('cp', this.path, thrown)));
      if (bytesRead === 0) throw this.#changed(`it ends at byte ${position + at}, not at ${this.size}`);
      at += bytesRead;
    }
  }

  /** @throws VerbsError when the file is not what it was when it was opened */
  async checkUnchanged(): Promise<void> {
    const now = await this.#file.stat();
    if (now.size !== this.#before.size) throw this.#changed(`it has ${now.size} bytes now, it had ${this.size}`);
    if (now.mtimeMs !== this.#before.mtimeMs) throw this.#changed('it was written to');
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #changed(how: string): Error {
    return refusal('EIO', 'cp', `${this.path} changed while it was read: ${how}`, {
      try: 'copy it again when nobody writes to it',
    });
  }
}
