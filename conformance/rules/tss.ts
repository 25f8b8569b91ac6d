/** Protected packets. @spec uet:tss */
import { ReturnCode } from '@verbena/core/wire';
import { Broken, claim, type Rule, topic } from '../rule.ts';
import { fill } from '../tester/packets.ts';
import type { SealOptions } from '../tester/security-coat.ts';
import type { Tester } from '../tester/tester.ts';

const OK = { code: ReturnCode.OK };
const direct = topic('tss', 'tss', { on: 'direct' });

/** One packet with a start, sealed in some wrong way: nothing may come back, and a right one must work afterwards. */
async function wantSilence(t: Tester, options: SealOptions): Promise<void> {
  t.security.options = options;
  const peer = t.opens();
  peer.send(t.write());
  await t.quiet();
  claim(t.security.unopened === 0 && t.lane.strangers === 0, 'silence', 'packets that do not open');
  t.security.options = {};
  await t.wantAlive(await open(t));
}

/** Every variant is tried with these. */
const common = (['direct', 'cluster', 'server'] as const).flatMap((on): Rule[] => {
  const rule = topic(`tss-${on}`, 'tss', { on });
  return [
    rule(
      'opens',
      '10',
      `${on} mode: a protected start is taken, answered under protection, and carries on`,
      async (t) => {
        const peer = await open(t);
        await t.wantAlive(peer);
        claim(t.lane.strangers === 0, 'all packets under protection', `${t.lane.strangers} that do not open`);
      },
    ),
    rule('reads', '10', `${on} mode: read data comes back under protection`, async (t) => {
      const peer = await open(t);
      peer.send(t.read(64));
      await peer.wantData({ ...OK });
      peer.answer(0, { opcode: 0, returnCode: 1 });
    }),
    rule(
      'initiates',
      '10',
      `${on} mode: packets that the endpoint begins are protected`,
      async (t) => {
        t.security.put(new Uint8Array(4), {
          source: { address: t.lane.address, port: 1 },
          destination: { address: t.endpoint.address, port: 1 },
        });
        const { peer, queue, request } = await t.accepts({ length: 100 });
        peer.answer(0, { opcode: 0, returnCode: 1 });
        claim((await t.completion(queue, request)).status === 'SUCCESS', 'SUCCESS', 'something else');
      },
      { role: 'initiator', needs: ['upper'] },
    ),
    rule('clear', '15', `${on} mode: a packet in the clear is dropped in silence`, async (t) => {
      t.opens().send(t.write(), { bare: true });
      await t.quiet();
    }),
    rule('wrong-key', '11', `${on} mode: a packet under another key is dropped in silence`, (t) =>
      wantSilence(t, { key: '00'.repeat(32) }),
    ),
    rule('damaged', '11', `${on} mode: one changed bit of the ciphertext drops the packet`, (t) =>
      wantSilence(t, { damage: (bytes) => bytes.with(30, bytes[30]! ^ 1) }),
    ),
    rule('counters', '12', `${on} mode: no packet counter of the endpoint is used twice`, async (t) => {
      const peer = await open(t);
      for (let n = 0; n < 10; n++) {
        const at = peer.send(t.write());
        await peer.wantAck(at);
      }
      const counters = t.security.heard.map(({ tsc, an, epoch }) => `${an}/${epoch}/${tsc}`);
      claim(new Set(counters).size === counters.length, 'a new counter in each packet', counters.join(' '));
    }),
  ];
});

/** A context, also with an endpoint that first tells where to begin. */
async function open(t: Tester, start = HIGH): ReturnType<Tester['opened']> {
  const peer = t.opens({ start: start + t.random(0x1000_0000) });
  const body = t.write();
  peer.send(body);
  const seen = await peer.wantAny();
  if (seen.kind === 'ack') return peer;
  claim(seen.kind === 'nack' && seen.nackCode === 0x17, 'an ACK, or NEW_START_PSN', seen.kind);
  peer.start = seen.payload;
  peer.send(body, { at: 0, retx: true });
  await peer.wantAck(0, OK);
  return peer;
}

export const TSS: readonly Rule[] = [
  ...common,
  direct('sdi', '11', 'a packet of a domain that is not known is dropped in silence', (t) =>
    wantSilence(t, { sdi: 0x111111 }),
  ),
  direct(
    'header-authenticated',
    '9.1',
    'the security header is authenticated: a changed reserved bit drops the packet',
    (t) => wantSilence(t, { damage: (bytes) => bytes.with(0, bytes[0]! ^ 2) }),
  ),
  direct('counter-authenticated', '9.1', 'so is the packet counter', (t) =>
    wantSilence(t, { damage: (bytes) => bytes.with(11, bytes[11]! ^ 0x80) }),
  ),
  direct('icv-cut', '11', 'a packet without its check value is dropped', (t) =>
    wantSilence(t, { damage: (bytes) => bytes.slice(0, -16) }),
  ),
  direct('icv-short', '9.4', 'check values are not shortened: 12 of its 16 bytes are none', (t) =>
    wantSilence(t, { damage: (bytes) => bytes.slice(0, -4) }),
  ),
  direct('header-alone', '11', 'a security header with nothing behind it is dropped', (t) =>
    wantSilence(t, { damage: (bytes) => bytes.slice(0, 12) }),
  ),
  direct('ssi-unwanted', '11', 'a source identifier that the domain does not use drops the packet', (t) =>
    wantSilence(t, { ssi: 5 }),
  ),
  direct('epoch-old', '12', 'an epoch more than the lifetime behind is dropped', (t) =>
    wantSilence(t, { epoch: (t.endpoint.security!.epoch ?? 0) - 17 }),
  ),
  direct('epoch-late', '12', 'one that is just as many behind is taken', async (t) => {
    t.security.options = { epoch: (t.endpoint.security!.epoch ?? 0) - 16 };
    await open(t);
  }),
  direct('epoch-new', '12', 'a newer epoch is taken', async (t) => {
    t.security.options = { epoch: (t.endpoint.security!.epoch ?? 0) + 1 };
    await open(t);
  }),
  direct(
    'reserved',
    '3',
    'the reserved bit is ignored when it is authentic',
    async (t) => {
      t.security.options = { reserved: true };
      await open(t);
    },
    { level: 'choice' },
  ),
  direct(
    'next-key',
    '13',
    'packets under the key in the other slot are taken, while the endpoint still sends under its own',
    async (t) => {
      const peer = await open(t);
      t.security.an = 1;
      t.security.options = { epoch: 0 };
      await t.wantAlive(peer);
      claim(t.security.heard.at(-1)!.an === 0, 'association number 0 in the answer', 1);
    },
    { needs: [] },
  ),
  direct(
    'replay',
    '14',
    'a recorded packet opens, and is known as a duplicate: it is not carried out again',
    async (t) => {
      let recorded: Uint8Array = new Uint8Array();
      const peer = await open(t);
      t.security.options = { damage: (bytes) => (recorded = bytes) };
      peer.send(t.write({}, fill(8, 1)));
      await peer.wantAck(1, OK);
      t.security.options = {};
      peer.send(t.write({}, fill(8, 2)));
      await peer.wantAck(2, OK);
      t.lane.sendRaw(recorded);
      await peer.wantAck(1, { answer: 0 });
      const id = peer.send(t.read(8));
      const { data } = await peer.wantAck(id, OK);
      if (Buffer.compare(data, fill(8, 2)) !== 0) throw new Broken('the later write', 'the recorded one');
    },
    { needs: ['read'] },
  ),
  direct(
    'rudi',
    '14.1',
    'idempotent requests are not taken under protection unless replays are allowed',
    async (t) => {
      await open(t);
      t.rudi(t.write({ memoryKey: t.safeKey }));
      await t.quiet();
    },
    { level: 'choice' },
  ),
  direct(
    'retransmission',
    '10',
    'a repeated packet is sealed anew',
    async (t) => {
      const { peer } = await t.accepts();
      await peer.wantRequest({ retx: true });
      const counters = t.security.heard.map(({ tsc }) => tsc);
      claim(new Set(counters).size === counters.length, 'a counter for each transmission', counters.join(' '));
      peer.answer(0, { opcode: 0, returnCode: 1 });
    },
    { role: 'initiator', needs: ['upper'] },
  ),
  direct('domain', '15', 'all packets of the endpoint are of its domain', async (t) => {
    const peer = await open(t);
    await t.wantAlive(peer);
    const sdi = t.endpoint.security!.sdi;
    claim(
      t.security.heard.every((one) => one.sdi === sdi),
      `domain ${sdi}`,
      'another',
    );
  }),
  direct(
    '0-rtt',
    '14.3',
    'with 0-RTT starts: one at or behind what the peer has used is refused with NEW_START_PSN, a later one is taken',
    async (t) => {
      const first = await open(t);
      first.control(4);
      await first.wantAck(1);
      const low = t.opens({ start: (first.start - 0x1000) >>> 0 });
      low.send(t.write());
      const { payload } = await low.wantNack(0x17, 0, { spdcid: 0 });
      low.start = payload;
      low.send(t.write(), { at: 0 });
      await low.wantAck(0, OK);
    },
  ),
  topic('tss', 'tss', { on: 'cluster' })('1-rtt', '14.3', 'with 1-RTT starts: every start is told', async (t) => {
    const peer = t.opens();
    peer.send(t.write());
    const { payload } = await peer.wantNack(0x17, 0, { spdcid: 0 });
    peer.start = payload;
    peer.send(t.write(), { at: 0 });
    await peer.wantAck(0, OK);
  }),
  topic('tss', 'tss', { on: 'cluster' })(
    'rekey',
    '7',
    'in cluster mode the upper bits of the packet counter choose the key',
    async (t) => {
      const peer = await open(t);
      t.security.options = { tsc: 5 * 2 ** 32 + t.random(2 ** 31) };
      await t.wantAlive(peer);
    },
  ),
];

/** Above what other cases use as first PSN: the floor of an endpoint may be common to its peers. */
const HIGH = 0x7000_0000;
