/** The file server: answers the requests of clients and runs one stream per copy. */
import { refusal } from '../failure.ts';
import { Channel, type Listener } from '../session/channel.ts';
import { type DeviceFigures, figuresOf, figuresSince } from '../session/device-figures.ts';
import type { Endpoint } from '../session/endpoint.ts';
import { answerHello } from '../session/hello.ts';
import type { Link, LinkEnd } from '../session/link.ts';
import { parseEnd } from '../session/link-end.ts';
import type { Peer } from '../session/peers.ts';
import { type Body, MAX_TRANSFER, type Signal } from '../session/session.ts';
import { ChunkWindow, type WindowShape } from './chunk-window.ts';
import { countOf, parseFinish, parsePut, parseStart, textOf } from './copy-messages.ts';
import { readFromPeer, writeToPeer } from './copy-streams.ts';
import type { FileSink } from './file-sink.ts';
import type { FileSource } from './file-source.ts';
import type { ServedFolder } from './served-folder.ts';
import { Transfer } from './transfer.ts';

/** A copy that ended. */
export interface CopyReport {
  readonly direction: 'get' | 'put';
  readonly path: string;
  readonly peer: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly sha256?: string;
  readonly error?: string;
}

export class CopyServer implements Listener {
  readonly channel: Channel;
  readonly #folder: ServedFolder;
  readonly #onReport: (report: CopyReport) => void;
  readonly #copies = new Map<number, ServedCopy>();
  #nextId = 1;

  constructor(endpoint: Endpoint, folder: ServedFolder, onReport: (report: CopyReport) => void) {
    this.#folder = folder;
    this.#onReport = onReport;
    this.channel = new Channel(endpoint, this);
  }

  /** Lets clients come. */
  listen(): Promise<void> {
    return this.channel.listen();
  }

  asked(from: Peer, ask: string, body: Body): Promise<Body> | Body {
    switch (ask) {
      case 'hello':
        return answerHello(this.channel, body, 'serve');
      case 'get':
        return this.#get(from, textOf(body, 'path'), parseEnd(body.end));
      case 'start':
        return this.#start(from, body);
      case 'put':
        return this.#put(from, body);
      case 'finish':
        return this.#finish(from, body);
      case 'alive':
        return { alive: this.#find(from, countOf(body, 'transfer')) !== undefined };
      default:
        throw refusal('EOPNOTSUPP', ask.slice(0, 20), 'this server does not know the request');
    }
  }

  signalled(from: Peer, signal: Signal): void {
    this.#find(from, signal.transfer)?.transfer?.signalled(signal);
  }

  left(from: Peer): void {
    const reason = refusal('EIO', 'cp', 'the client ended the connection');
    for (const copy of [...this.#copies.values()]) if (copy.from === from) void this.#drop(copy, reason);
  }

  /** Ends all copies, removes what is unfinished. */
  async close(): Promise<void> {
    const reason = refusal('EIO', 'serve', 'the server was stopped');
    await Promise.all([...this.#copies.values()].map((copy) => this.#drop(copy, reason)));
    await this.channel.close();
  }

  async #get(from: Peer, path: string, end: LinkEnd): Promise<Body> {
    this.#checkRoom();
    const source = await this.#folder.source(path);
    const copy = this.#add('get', from, end, source.path, source.size, { source });
    return { transfer: copy.id, size: source.size, end: copy.link.end };
  }

  #start(from: Peer, body: Body): Body {
    const { transfer: id, rkey, slots, slotBytes } = parseStart(body);
    const copy = this.#find(from, id);
    if (copy?.source === undefined || copy.transfer !== undefined) {
      throw refusal('ENOENT', 'start', 'no copy waits to be started');
    }
    const { source } = copy;
    this.#run(copy, { slots, slotBytes }, (transfer, pool) => writeToPeer(transfer, source, pool, rkey));
    return {};
  }

  async #put(from: Peer, body: Body): Promise<Body> {
    const { end, path, fileName, size, force, sync, rkey, slots, slotBytes } = parsePut(body);
    this.#checkRoom();
    const sink = await this.#folder.sink(path, fileName, { force, sync });
    const copy = this.#add('put', from, end, sink.path.slice(this.#folder.root.length + 1), size, { sink });
    this.#run(copy, { slots, slotBytes }, (transfer, pool) => readFromPeer(transfer, pool, sink, rkey));
    return { transfer: copy.id, end: copy.link.end };
  }

  async #finish(from: Peer, body: Body): Promise<Body> {
    const { transfer: id, sha256 } = parseFinish(body);
    const copy = this.#find(from, id);
    if (copy?.result === undefined) throw refusal('ENOENT', 'finish', 'no such copy');
    try {
      const ours = await copy.result;
      if (ours !== sha256) {
        throw refusal('EIO', 'cp', 'the checksums of the two sides differ', {
          given: `server ${ours}, client ${sha256.slice(0, 64)}`,
          try: 'copy again; tell us if it happens twice',
        });
      }
      await copy.sink?.commit();
      const { retransmittedPackets } = figuresSince(this.channel.endpoint.device, copy.before);
      await this.#drop(copy, undefined, ours);
      return { sha256: ours, retransmitted: retransmittedPackets };
    } catch (thrown) {
      await this.#drop(copy, thrown);
      throw thrown;
    }
  }

  #add(
    direction: 'get' | 'put',
    from: Peer,
    end: LinkEnd,
    path: string,
    size: number,
    file: Pick<ServedCopy, 'source' | 'sink'>,
  ): ServedCopy {
    const id = this.#takeId();
    const link = this.channel.createStream(from);
    try {
      link.join(from, end);
    } catch (thrown) {
      link.close();
      throw thrown;
    }
    const copy: ServedCopy = {
      id,
      from,
      direction,
      path,
      size,
      link,
      started: performance.now(),
      before: figuresOf(this.channel.endpoint.device),
      ...file,
    };
    this.#copies.set(id, copy);
    this.#expire(copy);
    return copy;
  }

  /** There are more numbers than copies at a time. */
  #takeId(): number {
    do this.#nextId = (this.#nextId % MAX_TRANSFER) + 1;
    while (this.#copies.has(this.#nextId));
    return this.#nextId;
  }

  #run(copy: ServedCopy, shape: WindowShape, stream: (transfer: Transfer, pool: ChunkWindow) => Promise<string>): void {
    const { endpoint } = this.channel;
    const transfer = new Transfer(copy.id, copy.from, copy.link, this.channel, copy.size, shape);
    copy.transfer = transfer;
    copy.pool = new ChunkWindow(endpoint, shape, ['local-write']);
    clearTimeout(copy.timer);
    const work = async () => {
      try {
        return await stream(transfer, copy.pool!);
      } catch (thrown) {
        await copy.sink?.abandon();
        await transfer.abort(thrown);
        throw thrown;
      } finally {
        this.#expire(copy);
      }
    };
    copy.result = this.channel.whileBusy(work);
    copy.result.catch(() => {}); // it is told to the client that asks
  }

  /** A client that never comes back must not hold anything for ever. */
  #expire(copy: ServedCopy): void {
    clearTimeout(copy.timer);
    copy.timer = setTimeout(() => void this.#drop(copy, refusal('ETIMEDOUT', 'cp', 'the client went away')), LINGER_MS);
    copy.timer.unref();
  }

  async #drop(copy: ServedCopy, error: unknown, sha256?: string): Promise<void> {
    if (!this.#copies.delete(copy.id)) return;
    clearTimeout(copy.timer);
    if (error !== undefined) copy.transfer?.fail(error);
    await copy.result?.catch(() => {});
    copy.link.close();
    copy.pool?.release();
    await copy.source?.close();
    if (sha256 === undefined) await copy.sink?.abandon();
    this.#onReport({
      direction: copy.direction,
      path: copy.path,
      peer: copy.from.address,
      bytes: copy.size,
      seconds: (performance.now() - copy.started) / 1e3,
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(error === undefined ? {} : { error: error instanceof Error ? error.message : String(error) }),
    });
  }

  #find(from: Peer, id: number): ServedCopy | undefined {
    const copy = this.#copies.get(id);
    return copy?.from === from ? copy : undefined;
  }

  #checkRoom(): void {
    if (this.#copies.size < MAX_COPIES) return;
    throw refusal('EAGAIN', 'cp', `the server is busy with ${MAX_COPIES} copies`, { try: 'again in a moment' });
  }
}

interface ServedCopy {
  readonly id: number;
  readonly from: Peer;
  readonly direction: 'get' | 'put';
  readonly path: string;
  readonly size: number;
  readonly link: Link;
  readonly started: number;
  readonly before: DeviceFigures;
  readonly source?: FileSource;
  readonly sink?: FileSink;
  transfer?: Transfer;
  pool?: ChunkWindow;
  result?: Promise<string>;
  timer?: NodeJS.Timeout;
}

const MAX_COPIES = 16;
/** How long a copy that nobody asks about is kept. */
const LINGER_MS = 30_000;
