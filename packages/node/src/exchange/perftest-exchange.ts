/**
 * What two sides of a perftest program say to each other beside their measured traffic, as version 4.5 does it. Each
 * step is one word of the client and one of the server, of the same length:
 *
 * | step | word |
 * | --- | --- |
 * | {@link PerftestExchange.agree} | version in 16 bytes; page size and cache line in 4 each; code of the path MTU as text in 2 |
 * | {@link PerftestExchange.shake} | a card ({@link PerftestCard}); also where only the rhythm counts |
 * | {@link PerftestExchange.report} | five numbers of 8 bytes: size, iterations, peak, average, message rate |
 * | {@link PerftestExchange.finish} | a card, and over TCP `done` from both |
 *
 * The order of the steps is each program's own.
 *
 * @spec verbs/8.6
 */
import type { AbortSignalLike } from '@verbena/core';
import { VerbsError } from '@verbena/core';
import type { ExchangeLink, ReadOptions } from './exchange-link.ts';
import {
  decodePerftestLine,
  decodePerftestStructure,
  encodePerftestLine,
  encodePerftestStructure,
  PERFTEST_LINE_BYTES,
  PERFTEST_STRUCTURE_BYTES,
  type PerftestCard,
} from './perftest-card.ts';

/** What both sides agree on. */
export interface PerftestTerms {
  /** The peer's, as it says. */
  readonly version: string;
  /** Bytes; the larger one of both: small messages walk through a page of this size. */
  readonly pageBytes: number;
  readonly cacheLineBytes: number;
  /** Bytes; the smaller one of both. */
  readonly pathMtu: number;
}

/** The client's results; the server's are nothing anybody looks at. Decimal megabytes and messages are 2^20 and 10^6. */
export interface PerftestReport {
  readonly size: number;
  readonly iterations: number;
  /** Bytes of one second, in 2^20; and messages of one second, in 10^6. */
  readonly peak: number;
  readonly average: number;
  readonly messageRate: number;
}

export class PerftestExchange {
  readonly #link: ExchangeLink;
  readonly #isClient: boolean;
  readonly #signal: AbortSignalLike | undefined;

  /** @param role - who speaks first: the client */
  constructor(link: ExchangeLink, role: 'client' | 'server', signal?: AbortSignalLike) {
    this.#link = link;
    this.#isClient = role === 'client';
    this.#signal = signal;
  }

  /**
   * The first words.
   *
   * @param pathMtu - bytes, 256 to 4096
   * @throws VerbsError `EPROTONOSUPPORT` the peer is older than 5.70 · as {@link ExchangeLink} says
   */
  async agree(pathMtu: number): Promise<PerftestTerms> {
    const text = new Uint8Array(VERSION_BYTES);
    text.set(Buffer.from(PERFTEST_VERSION));
    const version = textOf(await this.#trade(text, 'its version'));
    if (!(Number.parseFloat(version) >= OLDEST_VERSION)) {
      const problem = `the peer's version ${JSON.stringify(version)} is not one that can be spoken with`;
      throw new VerbsError('EPROTONOSUPPORT', 'exchange', problem, { try: 'perftest 4.5 or newer' });
    }
    const pageBytes = Math.max(PAGE_BYTES, wordOf(await this.#trade(word(PAGE_BYTES), 'its page size')));
    const cacheLineBytes = Math.max(
      CACHE_LINE_BYTES,
      wordOf(await this.#trade(word(CACHE_LINE_BYTES), 'its cache line')),
    );
    const code = Math.log2(pathMtu) - 7;
    const mine = Uint8Array.of(0x30 + code, 0);
    const theirs = Number.parseInt(textOf(await this.#trade(mine, 'its MTU')), 10);
    const isCode = theirs >= 1 && theirs <= 5;
    if (!(pageBytes <= MAX_PAGE_BYTES && cacheLineBytes <= pageBytes)) {
      throw new VerbsError(
        'EIO',
        'exchange',
        `the peer claims pages of ${pageBytes} bytes, lines of ${cacheLineBytes}`,
      );
    }
    return { version, pageBytes, cacheLineBytes, pathMtu: 128 << (isCode ? Math.min(code, theirs) : code) };
  }

  /** Cards of one queue pair each. @param timeoutMs - longer where the peer works meanwhile */
  async shake(mine: PerftestCard, timeoutMs?: number): Promise<PerftestCard> {
    const wait = timeoutMs === undefined ? {} : { timeoutMs };
    if (this.#link.form === 'text') {
      const line = await this.#trade(encodePerftestLine(mine), 'a card', PERFTEST_LINE_BYTES, wait);
      return decodePerftestLine(line);
    }
    const structure = encodePerftestStructure(mine);
    return decodePerftestStructure(await this.#trade(structure, 'a card', PERFTEST_STRUCTURE_BYTES, wait));
  }

  /** @returns the peer's report; of a server it means nothing */
  async report(mine: PerftestReport): Promise<PerftestReport> {
    const size = await this.#number('the size', (view) => view.setBigUint64(0, BigInt(mine.size)));
    const iterations = await this.#number('the iterations', (view) => view.setBigUint64(0, BigInt(mine.iterations)));
    const peak = await this.#number('the peak', (view) => view.setFloat64(0, mine.peak));
    const average = await this.#number('the average', (view) => view.setFloat64(0, mine.average));
    const messageRate = await this.#number('the rate', (view) => view.setFloat64(0, mine.messageRate));
    return {
      size: Number(size.getBigUint64(0)),
      iterations: Number(iterations.getBigUint64(0)),
      peak: peak.getFloat64(0),
      average: average.getFloat64(0),
      messageRate: messageRate.getFloat64(0),
    };
  }

  /** The last words. @param timeoutMs - longer where the peer works meanwhile */
  async finish(mine: PerftestCard, timeoutMs?: number): Promise<void> {
    await this.shake(mine, timeoutMs);
    if (this.#link.form === 'structure') return;
    await this.#link.write(DONE);
    await this.#link.drain(DRAIN_MS);
  }

  async #number(what: string, fill: (view: DataView) => void): Promise<DataView> {
    const mine = new Uint8Array(8);
    fill(new DataView(mine.buffer));
    const theirs = await this.#trade(mine, what);
    return new DataView(theirs.buffer, theirs.byteOffset, theirs.length);
  }

  async #trade(mine: Uint8Array, what: string, bytes = mine.length, wait: ReadOptions = {}): Promise<Uint8Array> {
    if (this.#isClient) await this.#link.write(mine);
    const theirs = await this.#link.read(bytes, { ...wait, signal: this.#signal, what });
    if (!this.#isClient) await this.#link.write(mine);
    return theirs;
  }
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

const wordOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
}

/** What perftest 4.5-0.17 calls itself. */
export const PERFTEST_VERSION = '6.06';
const OLDEST_VERSION = 5.7;
const VERSION_BYTES = 16;
const PAGE_BYTES = 4096;
const CACHE_LINE_BYTES = 64;
/** A peer with larger pages than any machine has lies. */
const MAX_PAGE_BYTES = 2 << 20;
/** The peer closes after it said "done". */
const DRAIN_MS = 1000;
const DONE = new Uint8Array(Buffer.from('done\0'));
