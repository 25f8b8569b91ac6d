/** A capture that goes to a file of this program, up to a limit. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type CaptureSink, VerbsError } from '@verbena/core';
import { captureHeader } from './capture-wire.ts';

export interface CaptureFileOptions {
  readonly file: string;
  /** Name of the interface in the file. */
  readonly device: string;
  /** The capture stops before it grows beyond this. Default 256 MiB. */
  readonly limitBytes?: number | undefined;
}

export class CaptureFile implements CaptureSink {
  readonly #limit: number;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  #buffered = 0;
  #file: number;
  /** Bytes of the file so far. */
  written = 0;
  frames = 0;
  /** Packets that came after the limit, and are not in the file. */
  skipped = 0;

  /** @throws VerbsError `EIO` the file cannot be written */
  constructor({ file, device, limitBytes = DEFAULT_LIMIT }: CaptureFileOptions) {
    this.#limit = limitBytes;
    try {
      this.#file = openSync(file, 'w');
    } catch (error) {
      throw new VerbsError('EIO', 'openDevice', `the capture ${file} cannot be written: ${(error as Error).message}`, {
        try: 'a file name in a folder that exists and may be written',
      });
    }
    this.write(captureHeader(device));
    this.frames = 0;
  }

  /** The limit was reached; later packets are missing. */
  get full(): boolean {
    return this.skipped > 0;
  }

  room(bytes: number): boolean {
    if (this.#file >= 0 && this.written + bytes <= this.#limit) return true;
    this.skipped++;
    return false;
  }

  write(record: Uint8Array): void {
    if (this.#buffered + record.length > CHUNK_BYTES) this.#drain();
    this.#chunk.set(record, this.#buffered);
    this.#buffered += record.length;
    this.written += record.length;
    this.frames++;
  }

  close(): void {
    if (this.#file < 0) return;
    this.#drain();
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = NONE;
  }

  #drain(): void {
    let at = 0;
    try {
      while (this.#file >= 0 && at < this.#buffered) {
        at += writeSync(this.#file, this.#chunk, at, this.#buffered - at);
      }
    } catch {
      // The disk is full or gone. Traffic goes on; what is missing is counted.
      closeSync(this.#file);
      this.#file = NONE;
    }
    this.#buffered = 0;
  }
}

const NONE = -1;
const CHUNK_BYTES = 256 * 1024;
const DEFAULT_LIMIT = 256 * 2 ** 20;
