/** The client's side of a copy: one file, one server. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isVerbsError } from '@verbena/core';
import { fileError, refusal, systemCode } from '../failure.ts';
import { Channel } from '../session/channel.ts';
import { figuresOf, figuresSince } from '../session/device-figures.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { sayHello } from '../session/hello.ts';
import type { Peer } from '../session/peers.ts';
import type { Body, Signal } from '../session/session.ts';
import { ChunkWindow, shapeFor } from './chunk-window.ts';
import { countOf, parseGranted, putBody, startBody, textOf } from './copy-messages.ts';
import { offerWindow, takeFromWindow } from './copy-streams.ts';
import { FileSink } from './file-sink.ts';
import { FileSource } from './file-source.ts';
import { Transfer } from './transfer.ts';

export interface CopyOptions {
  readonly force: boolean;
  readonly sync: boolean;
  /** Told the size when it is known; what it returns is told the bytes done. */
  readonly onStart: (label: string, size: number) => (done: number) => void;
}

export interface CopyResult {
  /** Where the file is now, as far as this side knows. */
  readonly path: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly sha256: string;
  /** Of both devices. */
  readonly retransmittedPackets: number;
}

export class CopyClient {
  readonly #channel: Channel;
  #server!: Peer;
  #transfer: Transfer | undefined;

  private constructor(endpoint: Endpoint) {
    this.#channel = new Channel(endpoint, {
      asked: (_from, ask, body) => this.#asked(ask, body),
      signalled: (_from, signal) => this.#signalled(signal),
      left: () => this.#transfer?.fail(refusal('EIO', 'cp', 'the server ended the connection')),
    });
  }

  /** Finds the server. */
  static async connect(endpoint: Endpoint, address: string): Promise<CopyClient> {
    const client = new CopyClient(endpoint);
    client.#server = await client.#channel.connect(address);
    await sayHello(client.#channel, client.#server, 'serve');
    return client;
  }

  /** Copies a file of the server to a local path: a file name, or a folder that exists. */
  async get(remotePath: string, destination: string, options: CopyOptions): Promise<CopyResult> {
    const path = await localTarget(destination, remotePath, options.force);
    const sink = await FileSink.create(path, options);
    const link = this.#channel.createStream(this.#server);
    let window: ChunkWindow | undefined;
    try {
      const run = this.#measure();
      const answer = await this.#channel.request(this.#server, 'get', { path: remotePath, end: link.end });
      const size = countOf(answer, 'size');
      const { transfer: id, end } = parseGranted(answer);
      link.join(this.#server, end);
      const made = new ChunkWindow(this.#channel.endpoint, shapeFor(size), ['local-write', 'remote-write']);
      window = made;
      const { slots, slotBytes, region } = made;
      const { rkey } = region;
      const transfer = new Transfer(id, this.#server, link, this.#channel, size, made);
      this.#transfer = transfer;
      const onProgress = options.onStart(basename(path), size);
      const finish = await this.#whileRunning(transfer, async () => {
        await this.#channel.request(this.#server, 'start', startBody({ transfer: id, rkey, slots, slotBytes }));
        return takeFromWindow(transfer, made, sink, onProgress);
      });
      await sink.commit();
      return { path, bytes: size, ...run(finish) };
    } catch (thrown) {
      await sink.abandon();
      throw thrown;
    } finally {
      link.close();
      window?.release();
    }
  }

  /** Copies a local file to a path of the server: a file name, or a folder that exists there. */
  async put(source: string, remotePath: string, options: CopyOptions): Promise<CopyResult> {
    const file = await FileSource.open(source);
    const { size } = file;
    const window = new ChunkWindow(this.#channel.endpoint, shapeFor(size), ['local-write', 'remote-read']);
    const { slots, slotBytes, region } = window;
    const link = this.#channel.createStream(this.#server);
    const { end } = link;
    try {
      const run = this.#measure();
      const fileName = basename(source);
      const { force, sync } = options;
      const ask = putBody({ end, path: remotePath, fileName, size, force, sync, rkey: region.rkey, slots, slotBytes });
      const granted = parseGranted(await this.#channel.request(this.#server, 'put', ask));
      link.join(this.#server, granted.end);
      const transfer = new Transfer(granted.transfer, this.#server, link, this.#channel, size, window);
      this.#transfer = transfer;
      const onProgress = options.onStart(fileName, size);
      const finish = await this.#whileRunning(transfer, () => offerWindow(transfer, window, file, onProgress));
      return { path: remotePath, bytes: size, ...run(finish) };
    } finally {
      link.close();
      window.release();
      await file.close();
    }
  }

  /** Gives up what is running; the call that runs it then fails with `error`. */
  async interrupt(error: Error): Promise<void> {
    await this.#transfer?.abort(error);
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  /** Runs a stream, then compares checksums. When it fails the server may know better why. */
  async #whileRunning(transfer: Transfer, stream: () => Promise<string>): Promise<Body> {
    const finish = (sha256: string) =>
      this.#channel.request(this.#server, 'finish', { transfer: transfer.id, sha256 }, FINISH_MS);
    let sha256: string;
    try {
      sha256 = await this.#channel.whileBusy(stream);
    } catch (thrown) {
      if (transfer.abortedByPeer)
        await finish(''); // throws the server's reason
      else await transfer.abort(thrown);
      throw thrown;
    }
    const answer = await finish(sha256);
    if (textOf(answer, 'sha256') !== sha256) throw refusal('EIO', 'cp', 'the checksums of the two sides differ');
    return { ...answer, sha256 };
  }

  #measure(): (finish: Body) => Pick<CopyResult, 'seconds' | 'sha256' | 'retransmittedPackets'> {
    const { device } = this.#channel.endpoint;
    const before = figuresOf(device);
    const started = performance.now();
    return (finish) => ({
      seconds: (performance.now() - started) / 1e3,
      sha256: textOf(finish, 'sha256'),
      retransmittedPackets: figuresSince(device, before).retransmittedPackets + countOf(finish, 'retransmitted'),
    });
  }

  #asked(ask: string, body: Body): Body {
    if (ask === 'alive') return { alive: this.#transfer?.id === body.transfer };
    throw refusal('EOPNOTSUPP', ask.slice(0, 20), 'this is a client');
  }

  #signalled(signal: Signal): void {
    if (this.#transfer?.id === signal.transfer) this.#transfer.signalled(signal);
  }
}

/** The local file that a copy makes. @throws VerbsError before anything is asked of the server */
async function localTarget(destination: string, remotePath: string, force: boolean): Promise<string> {
  const name = basename(remotePath);
  const stats = await statOf(destination);
  const isFolder = stats?.isDirectory() ?? destination.endsWith('/');
  if (isFolder && stats === undefined) throw fileError('cp', destination, missing());
  const path = isFolder ? join(destination, name) : destination;
  const target = isFolder ? await statOf(path) : stats;
  if (target?.isDirectory()) throw refusal('EINVAL', 'cp', `${path} is a folder`, { try: 'another name' });
  if (target !== undefined && !target.isFile()) throw refusal('EINVAL', 'cp', `${path} is not a regular file`);
  if (target !== undefined && !force) {
    throw refusal('EEXIST', 'cp', `${path} exists`, { try: '--force to replace it, or another name' });
  }
  return path;
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return undefined;
    throw isVerbsError(thrown) ? thrown : fileError('cp', path, thrown);
  }
}

function missing(): Error {
  return Object.assign(new Error('no such folder'), { code: 'ENOENT' });
}

/** The server may have to flush a large file first. */
const FINISH_MS = 120_000;
