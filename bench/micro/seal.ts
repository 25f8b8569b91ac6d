/**
 * What protecting a packet costs, and where it goes: AES-256-GCM through Node's own interface step by step, through OpenSSL
 * called directly (what devices use where they can), and the whole of a packet's protection around it. The peer is a loop
 * that does the same encryption and nothing else: one cipher object, the bytes in pieces of the packet's size.
 *
 *   npm run bench -- seal [--json]
 *
 * Repeats are interleaved; medians in nanoseconds of processor time for a packet, garbage collection included.
 */
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { argv, version } from 'node:process';
import { type CipherKey, clientKey, Datagram, PacketProtection, parseAddress } from '@verbena/core';
import { DomainStore, hostCipher, NodeCipher } from '@verbena/node';

const SIZES = [64, 1024, 4096, 8192];
const REPEATS = 9;
const HEAD = 16;
const TAG = 16;
const AAD_BYTES = 20;

const secret = randomBytes(32);
const key = createSecretKey(secret);
const iv = randomBytes(12);
const aad = randomBytes(64);
const OPTIONS = { authTagLength: TAG };
const node = new NodeCipher().importKey(secret);
const host = hostCipher().importKey(secret);

const from = parseAddress('192.0.2.1')!;
const to = parseAddress('192.0.2.2')!;
const datagram = Object.assign(new Datagram(), { source: from, destination: to });

/** A domain with one source; its protection seals and opens. */
function protection(): { readonly seal: PacketProtection; readonly handle: number } {
  const store = new DomainStore();
  store.add(7, { mode: 'cluster' }, { bytes: secret, an: 0, epoch: 0 });
  const seal = new PacketProtection(store.table, { domain: 7 });
  return { seal, handle: seal.handleOf(undefined) };
}

type Case = readonly [name: string, run: () => void];

/** Steps of Node's way, each with all before it: what a step costs is the difference. */
function casesOf(size: number): readonly Case[] {
  const bytes = new Uint8Array(HEAD + size + TAG).fill(7);
  const view = new DataView(bytes.buffer);
  const text = Buffer.from(bytes.buffer, HEAD, size);
  const stream = createCipheriv('aes-256-gcm', key, iv, OPTIONS);
  const { seal, handle } = protection();
  const sealed = new Uint8Array(HEAD + size + TAG);
  const sealWith = (cipher: CipherKey) => () => cipher.seal(iv, aad, AAD_BYTES, bytes, HEAD, size);
  // a ciphertext that opens each time: what is opened in place is sealed again first
  const openWith = (cipher: CipherKey) => {
    const ready = sealed.slice();
    cipher.seal(iv, aad, AAD_BYTES, ready, HEAD, size);
    const again = new Uint8Array(ready.length);
    return () => {
      again.set(ready);
      if (!cipher.open(iv, aad, AAD_BYTES, again, HEAD, size)) throw new Error('it did not open');
    };
  };
  const object = () => createCipheriv('aes-256-gcm', key, iv, OPTIONS);
  return [
    ['peer: encryption alone', () => stream.update(text)],
    ['node 1: cipher object', object],
    ['node 2: and authenticated bytes', () => object().setAAD(aad.subarray(0, AAD_BYTES))],
    [
      'node 3: and encryption',
      () => {
        const cipher = object();
        cipher.setAAD(aad.subarray(0, AAD_BYTES));
        cipher.update(text);
      },
    ],
    [
      'node 4: and copy in place',
      () => {
        const cipher = object();
        cipher.setAAD(aad.subarray(0, AAD_BYTES));
        bytes.set(cipher.update(bytes.subarray(HEAD, HEAD + size)), HEAD);
      },
    ],
    ['node 5: and tag (all of it)', sealWith(node)],
    ['node: open', openWith(node)],
    ['direct: seal', sealWith(host)],
    ['direct: open', openWith(host)],
    ['packet: header, key, IV, seal', () => seal.seal(handle, 1, datagram, view, bytes, HEAD, size)],
  ];
}

/** What is done for a source and not for a packet. */
const ONCE: readonly Case[] = [
  ['a derived key, through Node', () => clientKey(new NodeCipher(), secret, 7)],
  ['importing a key', () => hostCipher().importKey(secret)],
];

function measure(cases: readonly Case[], rounds: number): Record<string, number> {
  const samples = new Map<string, number[]>(cases.map(([name]) => [name, []]));
  for (let repeat = 0; repeat < REPEATS + 2; repeat++) {
    for (const [name, run] of cases) {
      const start = process.cpuUsage();
      for (let i = 0; i < rounds; i++) run();
      // the first two repeats warm the optimizer up
      const { user, system } = process.cpuUsage(start);
      if (repeat >= 2) samples.get(name)!.push(((user + system) * 1e3) / rounds);
    }
  }
  return Object.fromEntries(
    Array.from(samples, ([name, list]) => [name, Math.round(list.sort((a, b) => a - b)[REPEATS >> 1]!)]),
  );
}

const results = SIZES.map((size) => ({ size, ns: measure(casesOf(size), size > 2048 ? 2000 : 4000) }));
const once = measure(ONCE, 1000);
const isDirect = !(hostCipher() instanceof NodeCipher);
if (argv.includes('--json')) {
  console.log(JSON.stringify({ bench: 'seal', node: version, cpu: cpus()[0]?.model, direct: isDirect, results, once }));
} else {
  console.log(`${cpus()[0]?.model}, Node ${version}; processor ns for a packet, median of ${REPEATS}`);
  if (!isDirect) console.log('OpenSSL cannot be called directly here: `direct` is through Node as well');
  const names = Object.keys(results[0]!.ns);
  console.log([''.padEnd(34), ...SIZES.map((size) => `${size} B`.padStart(8))].join(' '));
  for (const name of names) {
    console.log([name.padEnd(34), ...results.map(({ ns }) => String(ns[name]).padStart(8))].join(' '));
  }
  console.log('');
  for (const [name, ns] of Object.entries(once)) console.log(`${name.padEnd(34)} ${String(ns).padStart(8)}`);
}
