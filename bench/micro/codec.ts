/**
 * What a declared header costs beside hand-written offsets.
 *
 * Reads (and writes) twelve fields of two headers, as a receiver of a request does. Each case runs in a process of its
 * own: closures of other cases would change what V8 inlines, by up to a factor of three.
 *
 *     npm run bench -- codec [--json]
 *
 * Not bundled: a bundler turns top-level `const` into `var`, and with it goes the constant folding that is measured.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { argv, execPath, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { byteLength, PdsRequest, RequestStd } from '@verbena/core/wire';

const { type, nextHeader, ar, clearPsnOffset, psn, spdcid, dpdcid } = PdsRequest;
const { opcode, messageId, jobId, resourceIndex, requestLength } = RequestStd;
const PDS_BYTES = byteLength(PdsRequest);
const PACKET_BYTES = PDS_BYTES + byteLength(RequestStd);
const PACKETS = 64;
const ROUNDS = 40_000;
const REPEATS = 9;

type Case = (view: DataView, at: number) => number;

const CASES: Readonly<Record<string, Case>> = {
  'read, literal offsets': (view, at) =>
    (view.getUint8(at) >>> 3) +
    ((view.getUint16(at) >>> 7) & 15) +
    ((view.getUint8(at + 1) >>> 3) & 1) +
    view.getInt16(at + 2) +
    view.getUint32(at + 4) +
    view.getUint16(at + 8) +
    view.getUint16(at + 10) +
    (view.getUint8(at + 12) & 63) +
    view.getUint16(at + 14) +
    (view.getUint32(at + 16) & 0xff_ffff) +
    (view.getUint16(at + 22) & 0xfff) +
    view.getUint32(at + 52),
  'read, declared fields': (view, at) =>
    type.get(view, at) +
    nextHeader.get(view, at) +
    ar.get(view, at) +
    clearPsnOffset.get(view, at) +
    psn.get(view, at) +
    spdcid.get(view, at) +
    dpdcid.get(view, at) +
    opcode.get(view, at + PDS_BYTES) +
    messageId.get(view, at + PDS_BYTES) +
    jobId.get(view, at + PDS_BYTES) +
    resourceIndex.get(view, at + PDS_BYTES) +
    requestLength.get(view, at + PDS_BYTES),
  'read, through the import': (view, at) =>
    PdsRequest.type.get(view, at) +
    PdsRequest.nextHeader.get(view, at) +
    PdsRequest.ar.get(view, at) +
    PdsRequest.clearPsnOffset.get(view, at) +
    PdsRequest.psn.get(view, at) +
    PdsRequest.spdcid.get(view, at) +
    PdsRequest.dpdcid.get(view, at) +
    RequestStd.opcode.get(view, at + PDS_BYTES) +
    RequestStd.messageId.get(view, at + PDS_BYTES) +
    RequestStd.jobId.get(view, at + PDS_BYTES) +
    RequestStd.resourceIndex.get(view, at + PDS_BYTES) +
    RequestStd.requestLength.get(view, at + PDS_BYTES),
  'write, literal offsets': (view, at) => {
    view.setUint8(at, (view.getUint8(at) & 0x07) | (2 << 3));
    view.setUint16(at, (view.getUint16(at) & ~0x0780) | (3 << 7));
    view.setUint8(at + 1, (view.getUint8(at + 1) & ~8) | 8);
    view.setInt16(at + 2, -1);
    view.setUint32(at + 4, at);
    view.setUint16(at + 8, 7);
    view.setUint16(at + 10, 8);
    view.setUint8(at + 12, (view.getUint8(at + 12) & 0xc0) | 5);
    view.setUint16(at + 14, at);
    view.setUint32(at + 16, (view.getUint32(at + 16) & ~0xff_ffff) | at);
    view.setUint16(at + 22, (view.getUint16(at + 22) & 0xf000) | 9);
    view.setUint32(at + 52, at);
    return 0;
  },
  'write, declared fields': (view, at) => {
    type.set(view, at, 2);
    nextHeader.set(view, at, 3);
    ar.set(view, at, 1);
    clearPsnOffset.set(view, at, -1);
    psn.set(view, at, at);
    spdcid.set(view, at, 7);
    dpdcid.set(view, at, 8);
    opcode.set(view, at + PDS_BYTES, 5);
    messageId.set(view, at + PDS_BYTES, at);
    jobId.set(view, at + PDS_BYTES, at);
    resourceIndex.set(view, at + PDS_BYTES, 9);
    requestLength.set(view, at + PDS_BYTES, at);
    return 0;
  },
};

/** Median of the repeats, in nanoseconds for all twelve fields. */
function measure(run: Case): number {
  const view = new DataView(new ArrayBuffer(PACKETS * PACKET_BYTES));
  for (let i = 0; i < view.byteLength; i++) view.setUint8(i, i * 7);
  const samples: number[] = [];
  let sink = 0;
  for (let repeat = 0; repeat < REPEATS + 2; repeat++) {
    const start = process.hrtime.bigint();
    for (let round = 0; round < ROUNDS; round++) {
      for (let packet = 0; packet < PACKETS; packet++) sink = (sink + run(view, packet * PACKET_BYTES)) | 0;
    }
    samples.push(Number(process.hrtime.bigint() - start) / (ROUNDS * PACKETS));
  }
  // Using the sum keeps the optimizer from dropping the loop.
  if (sink === 0.5) throw new Error('unreachable');
  // The first two repeats warm the optimizer up.
  return samples.slice(2).sort((a, b) => a - b)[REPEATS >> 1]!;
}

const chosen = argv.indexOf('--case');
if (chosen > 0) {
  process.stdout.write(String(measure(CASES[argv[chosen + 1]!]!)));
} else {
  const script = fileURLToPath(import.meta.url);
  const results = Object.keys(CASES).map((name) => {
    const output = execFileSync(execPath, [...process.execArgv, script, '--case', name], { encoding: 'utf8' });
    return { name, ns: Number(output) };
  });
  const rows = results.map(({ name, ns }) => {
    const yardstick = results.find((one) => one.name === `${name.split(',')[0]}, literal offsets`)!;
    return { name, ns: Math.round(ns * 100) / 100, ratio: Math.round((ns / yardstick.ns) * 100) / 100 };
  });
  if (argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ bench: 'codec', node: version, cpu: cpus()[0]?.model, rows })}\n`);
  } else {
    process.stdout.write(`twelve fields of two headers, Node ${version}, median of ${REPEATS}\n`);
    for (const { name, ns, ratio } of rows) {
      process.stdout.write(`${name.padEnd(26)} ${ns.toFixed(2).padStart(7)} ns  × ${ratio.toFixed(2)}\n`);
    }
  }
}
