/**
 * What it costs to find the receive of a message, and the message of a receive, among many: hashed by shape as the engine
 * does it, and in a plain list of objects searched one by one, which is what one would write first.
 *
 * Each case keeps its number of entries: what is found is taken out, and another is put in. All entries differ; they are
 * asked for in random order, the same for both. Each case runs in a process of its own.
 *
 *     npm run bench -- matching [--entries 10000] [--json]
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { argv, execPath, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { DmaSpace, Envelope, PostedReceives, ReceiveWork, SeededRandom, UnexpectedMessages } from '@verbena/core';

const REPEATS = 7;
const ENTRIES = Number(argv[argv.indexOf('--entries') + 1]) || 10_000;
/** Tags of wildcards: which of their bits do not count. Entry n has the mask n modulo four. */
const MASKS = [0xff, 0xff00, 0xff_ffff, 0xf000_0000];

interface Case {
  readonly name: string;
  readonly text: string;
  /** Makes the structure; what it returns finds and replaces entry `n`. */
  readonly kind: (mask: (n: number) => number) => (n: number) => number;
  /** Bits of the tag that do not count for entry `n`. */
  readonly mask: (n: number) => number;
  /** Finds for one repeat. */
  readonly rounds: number;
}

const tagOf = (n: number): number => Math.imul(n, 0x9e37_79b1) >>> 0;

// one record for all, filled each time, as an engine does it
const work = Object.assign(new ReceiveWork(), { tagged: true });
const message = Object.assign(new Envelope(), { tagged: true, sourceId: 3, path: 1, jobId: 7 });

function receiveOf(n: number, mask: (n: number) => number): ReceiveWork {
  work.tagLo = tagOf(n);
  work.tagHi = work.wrIdLo = work.length = n;
  work.ignoreLo = mask(n);
  return work;
}

function messageOf(n: number): Envelope {
  message.tagLo = tagOf(n);
  message.tagHi = n;
  return message;
}

/** What a plain list holds. */
class Plain {
  readonly tagLo: number;
  readonly tagHi: number;
  readonly ignoreLo: number;
  readonly n: number;

  constructor(n: number, mask: (n: number) => number) {
    this.tagLo = tagOf(n);
    this.tagHi = this.n = n;
    this.ignoreLo = mask(n);
  }
}

/** Finds, takes out and puts in again, in a list searched from its beginning. */
function plain(mask: (n: number) => number): (n: number) => number {
  const list = Array.from({ length: ENTRIES }, (_, n) => new Plain(n, mask));
  const all = [...list];
  return (n) => {
    const { tagLo, tagHi } = all[n]!;
    for (let i = 0; i < list.length; i++) {
      const one = list[i]!;
      if (((one.tagLo ^ tagLo) & ~one.ignoreLo) !== 0 || one.tagHi !== tagHi) continue;
      list.splice(i, 1);
      list.push(one);
      return one.n;
    }
    return -1;
  };
}

/** Posted receives: a message comes, takes its receive, and the program posts it again. */
function posted(mask: (n: number) => number): (n: number) => number {
  const receives = new PostedReceives(0.5);
  const into = new ReceiveWork();
  for (let n = 0; n < ENTRIES; n++) receives.post(receiveOf(n, mask));
  return (n) => {
    const i = receives.match(messageOf(n));
    receives.copy(i, into);
    receives.remove(i);
    receives.post(receiveOf(n, mask));
    return into.length;
  };
}

/** Messages that wait: a receive is posted, takes its message, and another message comes. */
function unexpected(mask: (n: number) => number): (n: number) => number {
  const limits = { messages: 4 * ENTRIES, bytes: 2 ** 20, packetBytes: 4096 };
  const kept = new UnexpectedMessages<object>(new DmaSpace(), limits, () => 0.5);
  const lists = kept.lists();
  const add = (one: Envelope): void => {
    if (!kept.hasRoom(lists, 1, 8)) throw new Error('no room');
    kept.begin(kept.add(lists, one, 8, undefined), false, 0, 0);
  };
  for (let n = 0; n < ENTRIES; n++) add(messageOf(n));
  return (n) => {
    const i = kept.search(lists, receiveOf(n, mask));
    kept.remove(lists, i);
    add(messageOf(n));
    return i;
  };
}

const exact = (): number => 0;
const wildcard = (n: number): number => MASKS[n & 3]!;
/** A mask for each entry: more than get a hash of their own. */
const many = (n: number): number => (n & 1023) << 8;

const define = (name: string, text: string, kind: Case['kind'], mask: Case['mask'], rounds = 200_000): Case => ({
  ...{ name, text, kind, mask, rounds },
});

const CASES: readonly Case[] = [
  define('posted-exact', 'message finds a posted receive, exact tag', posted, exact),
  define('posted-wildcard', 'message finds a posted receive, 4 masks', posted, wildcard),
  define('posted-masks', 'message finds a posted receive, 1024 masks', posted, many, 2_000),
  define('waiting-exact', 'receive finds a waiting message, exact tag', unexpected, exact),
  define('waiting-wildcard', 'receive finds a waiting message, 4 masks', unexpected, wildcard),
  define('waiting-masks', 'receive finds a waiting message, 1024 masks', unexpected, many, 2_000),
];
/** Finds in a plain list for one repeat. */
const PLAIN_ROUNDS = 2_000;

/** Median of the repeats, ns for one find with what comes before and after. */
function measure(run: (n: number) => number, rounds: number): number {
  const random = new SeededRandom(7);
  const order = Int32Array.from({ length: rounds }, () => Math.floor(random.next() * ENTRIES));
  const samples: number[] = [];
  for (let repeat = 0; repeat < REPEATS + 2; repeat++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) if (run(order[i]!) < 0) throw new Error('not found');
    samples.push(Number(process.hrtime.bigint() - start) / rounds);
  }
  return samples.slice(2).sort((a, b) => a - b)[REPEATS >> 1]!;
}

const chosen = argv.indexOf('--case');
if (chosen > 0) {
  const { kind, mask, rounds } = CASES.find(({ name }) => name === argv[chosen + 1])!;
  const ns = argv.includes('--plain') ? measure(plain(mask), PLAIN_ROUNDS) : measure(kind(mask), rounds);
  process.stdout.write(String(ns));
} else {
  const script = fileURLToPath(import.meta.url);
  const run = (name: string, ...more: string[]): number => {
    const args = [...process.execArgv, script, '--case', name, '--entries', String(ENTRIES), ...more];
    return Number(execFileSync(execPath, args, { encoding: 'utf8' }));
  };
  const rows = CASES.map(({ name, text }) => {
    const [ns, plainNs] = [run(name), run(name, '--plain')];
    return {
      name,
      text,
      ns: Math.round(ns),
      plainNs: Math.round(plainNs),
      ratio: Math.round((plainNs / ns) * 10) / 10,
    };
  });
  if (argv.includes('--json')) {
    const about = { bench: 'matching', node: version, cpu: cpus()[0]?.model, entries: ENTRIES };
    process.stdout.write(`${JSON.stringify({ ...about, rows })}\n`);
  } else {
    process.stdout.write(
      `among ${ENTRIES} entries, ns for a find with taking out and putting in; Node ${version}, median of ${REPEATS}\n`,
    );
    for (const { text, ns, plainNs, ratio } of rows) {
      const figures = `${String(ns).padStart(7)} ns   plain list ${String(plainNs).padStart(8)} ns   × ${ratio.toFixed(1)}`;
      process.stdout.write(`${text.padEnd(48)}${figures}\n`);
    }
  }
}
