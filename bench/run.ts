/** Starts one benchmark by name, each in a process of its own: `npm run bench -- NAME [options]`. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Bench {
  readonly file: string;
  readonly node: readonly string[];
  readonly text: string;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  codec: { file: 'micro/codec.js', node: [], text: 'declared header fields against hand-written offsets' },
  daemon: {
    file: 'live/through-daemon.js',
    node: [],
    text: 'the same programs with devices of their own, and through daemons',
  },
  engine: {
    file: 'engine/engine.js',
    node: ['--expose-gc'],
    text: 'the engines of the transports alone, side by side: ns and heap bytes per packet',
  },
  icrc: { file: 'micro/icrc.js', node: [], text: 'the checksum of RoCEv2 packets, in JavaScript and native' },
  live: {
    file: 'live/live.js',
    node: [],
    text: 'two processes on loopback, UET and RoCEv2, beside libfabric where it is installed; --secured: UET beside itself, protected',
  },
  matching: {
    file: 'micro/matching.js',
    node: [],
    text: 'receives and messages that wait: finding one among 10,000, against a plain list',
  },
  control: { file: 'control/control.js', node: [], text: 'the control path in each form; memory of many objects' },
  seal: { file: 'micro/seal.js', node: [], text: 'protecting a packet (TSS): ns by size, and where they go' },
  raw: { file: 'live/raw.js', node: [], text: 'bare UDP and bare system calls: what the machine allows' },
};

const [name, ...options] = process.argv.slice(2);
const bench = name === undefined ? undefined : BENCHES[name];
if (bench === undefined) {
  console.error(`usage: npm run bench -- NAME [options]\n`);
  for (const [known, { text }] of Object.entries(BENCHES)) console.error(`  ${known.padEnd(8)} ${text}`);
  process.exit(2);
}
const file = fileURLToPath(new URL(bench.file, import.meta.url));
const child = spawn(process.execPath, [...bench.node, file, ...options], { stdio: 'inherit' });
child.on('exit', (code) => process.exit(code ?? 1));
