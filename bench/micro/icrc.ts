/**
 * The checksum of RoCEv2 packets: a whole ICRC, as hosts make it, with payload summed in JavaScript or by Node's zlib.
 * Hosts take the native one from 256 bytes of payload on; the bench shows whether that is still the right place.
 *
 *   npm run bench -- icrc [--json]
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { argv, execPath, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { Datagram, findTransport, type Seal } from '@verbena/core';

const SIZES = [64, 128, 256, 512, 1024, 4096];
const WAYS = ['js', 'native'] as const;
const PACKETS = 64;
const HEADERS = 28;
const REPEATS = 9;
const BYTES_OF_A_REPEAT = 32 * 2 ** 20;

type Way = (typeof WAYS)[number];

interface Row {
  readonly ns: number;
  /** Garbage of one packet. */
  readonly heapBytes: number;
}

/** Median of the repeats, for one packet. */
function measure(seal: Seal, way: Way, payload: number): Row {
  const stride = HEADERS + payload + seal.bytes;
  const bytes = new Uint8Array(PACKETS * stride).map((_, i) => i * 7);
  const views = Array.from({ length: PACKETS }, (_, i) => bytes.subarray(i * stride + HEADERS, (i + 1) * stride - 4));
  const datagram = new Datagram();
  datagram.source = datagram.destination = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1);
  datagram.sourcePort = datagram.destinationPort = 4791;
  datagram.length = HEADERS + payload + seal.bytes;
  const begun = seal.begin(datagram);
  const rounds = Math.ceil(BYTES_OF_A_REPEAT / (PACKETS * (payload + 256)));
  const samples: number[] = [];
  let heapBytes = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS + 2; repeat++) {
    const heap = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < PACKETS; i++) {
        const at = i * stride;
        const state = seal.headers(begun, bytes, at, HEADERS);
        const sum = way === 'js' ? seal.update(state, bytes, at + HEADERS, payload) : crc32(views[i]!, state >>> 0);
        seal.write(sum, bytes, at + HEADERS + payload);
      }
    }
    samples.push(Number(process.hrtime.bigint() - start) / (rounds * PACKETS));
    // a collection in between makes a sample too small, even negative
    const grown = (process.memoryUsage().heapUsed - heap) / (rounds * PACKETS);
    if (repeat >= 2 && grown >= 0) heapBytes = Math.min(heapBytes, grown);
  }
  // The first two repeats warm the optimizer up.
  return { ns: samples.slice(2).sort((a, b) => a - b)[REPEATS >> 1]!, heapBytes };
}

const chosen = argv.indexOf('--case');
if (chosen > 0) {
  const [way, size] = argv[chosen + 1]!.split(',') as [Way, string];
  process.stdout.write(JSON.stringify(measure(findTransport('roce')!.seal!, way, Number(size))));
} else {
  const script = fileURLToPath(import.meta.url);
  const run = (way: Way, size: number): Row =>
    JSON.parse(
      execFileSync(execPath, [...process.execArgv, script, '--case', `${way},${size}`], { encoding: 'utf8' }),
    ) as Row;
  const rows = SIZES.map((bytes) => ({ bytes, js: run('js', bytes), native: run('native', bytes) }));
  if (argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ bench: 'icrc', node: version, cpu: cpus()[0]?.model, rows })}\n`);
  } else {
    process.stdout.write(
      `ICRC of one packet behind ${HEADERS} bytes of headers, Node ${version}, median of ${REPEATS}\n`,
    );
    process.stdout.write('payload        JavaScript            native\n');
    const cell = ({ ns, heapBytes }: Row) => `${ns.toFixed(0).padStart(6)} ns, ${heapBytes.toFixed(0).padStart(3)} B`;
    for (const { bytes, js, native } of rows) {
      process.stdout.write(`${String(bytes).padStart(5)} B  ${cell(js)}  ${cell(native)}\n`);
    }
  }
}
