import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/random.ts';
import { CmRejectReason } from '../wire/roce/cm.ts';
import type { CmEvent, CmLink } from './cm-link.ts';
import { bytesOf, CmRig, type CmSide, reply, request } from './cm-rig.testdata.ts';
import type { CmMessage } from './messages.ts';

const kinds = (side: CmSide) => side.events.map(({ kind }) => kind);
const got = (side: CmSide) => side.received.map(({ kind }) => kind);
const last = (side: CmSide): CmEvent => side.events.at(-1)!;
const NOTHING = new Uint8Array(0);

/** `b` listens at port 7, and both programs agree to everything. */
function agreeing(seed = 1, faults = {}, limits = {}): CmRig {
  const rig = new CmRig(seed, faults, limits);
  rig.b.engine.listen(7, 16);
  let localQpn = 0x22;
  rig.onEvent = (side, event) => {
    if (event.kind === 'request') side.engine.accept(rig.now, event.link, reply({ localQpn: localQpn++ }));
    if (event.kind === 'replied') side.engine.confirm(rig.now, event.link);
  };
  return rig;
}

function connected(): { rig: CmRig; active: CmLink; passive: CmLink } {
  const rig = agreeing();
  const active = rig.connect();
  rig.run(1e9);
  return { rig, active, passive: last(rig.b).link };
}

describe('connecting (IBTA vol. 1 §12.9)', () => {
  it('is REQ, REP, RTU, and both sides are established', () => {
    const { rig, active, passive } = connected();
    expect(got(rig.b)).toEqual(['REQ', 'RTU']);
    expect(got(rig.a)).toEqual(['REP']);
    expect(kinds(rig.a)).toEqual(['replied', 'established']);
    expect(kinds(rig.b)).toEqual(['request', 'established']);
    expect(active).toMatchObject({ state: 'ESTABLISHED', remoteQpn: 0x22, remoteCommId: passive.localCommId });
    expect(passive).toMatchObject({ state: 'ESTABLISHED', remoteQpn: 0x11, remoteCommId: active.localCommId });
    expect(rig.a.engine.deadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('of two sides that ask each other at the same time makes two connections', () => {
    const rig = agreeing();
    rig.a.engine.listen(7, 16);
    rig.connect(rig.a, rig.b);
    rig.connect(rig.b, rig.a, { localQpn: 0x33 });
    rig.run(1e9);
    for (const side of [rig.a, rig.b]) expect(kinds(side).filter((kind) => kind === 'established')).toHaveLength(2);
  });

  it('of a machine with itself works', () => {
    const rig = agreeing();
    const link = rig.connect(rig.b, rig.b);
    rig.run(1e9);
    expect(kinds(rig.b).sort()).toEqual(['established', 'established', 'replied', 'request']);
    rig.b.engine.disconnect(rig.now, link, NOTHING);
    rig.run(1e9);
    expect(kinds(rig.b).filter((kind) => kind === 'ended')).toHaveLength(2);
  });

  it('shows what the peer asks for', () => {
    const { rig } = connected();
    const { request: asked } = rig.b.events[0] as Extract<CmEvent, { kind: 'request' }>;
    expect(asked).toMatchObject({ startingPsn: 0x123456, responderResources: 4, initiatorDepth: 5, pathMtu: 3 });
    const { reply: answered } = rig.a.events[0] as Extract<CmEvent, { kind: 'replied' }>;
    expect(answered).toMatchObject({ startingPsn: 0x654321, responderResources: 5, localQpn: 0x22 });
    expect(answered.privateData.subarray(0, 3)).toEqual(Uint8Array.of(9, 8, 0));
  });
});

describe('a request is refused', () => {
  const refused = (over: Parameters<typeof request>[2], prepare: (rig: CmRig) => void = () => {}) => {
    const rig = agreeing();
    prepare(rig);
    rig.connect(rig.a, rig.b, over);
    rig.run(1e9);
    const event = last(rig.a);
    return event.kind === 'refused' ? event.refusal : undefined;
  };

  it.each([
    ['for a port without a listener', { serviceId: 0x0106_0008n }, CmRejectReason.INVALID_SERVICE_ID],
    ['for another port space', { serviceId: 0x0111_0007n }, CmRejectReason.INVALID_SERVICE_ID],
    ['for a service outside of IP', { serviceId: 0x1_0106_0007n }, CmRejectReason.INVALID_SERVICE_ID],
    ['for reliable datagrams', { transportService: 2 }, CmRejectReason.INVALID_TRANSPORT_SERVICE],
    ['with packets larger than this side can', { pathMtu: 4 }, CmRejectReason.INVALID_PATH_MTU],
    ['with no packet size', { pathMtu: 0 }, CmRejectReason.INVALID_PATH_MTU],
    ['from a management queue pair', { localQpn: 1 }, CmRejectReason.UNSUPPORTED_REQUEST],
    ['without the addresses of IP', { privateData: new Uint8Array(92) }, CmRejectReason.UNSUPPORTED_REQUEST],
    ['that names another source (N33)', { localGid: new Uint8Array(16) }, CmRejectReason.PRIMARY_REMOTE_GID],
    ['that is meant for another address', { remoteGid: new Uint8Array(16) }, CmRejectReason.PRIMARY_REMOTE_GID],
  ])('%s', (_, over, reason) => {
    expect(refused(over)?.reason).toBe(reason);
  });

  it('with the packet size that this side can, so that the peer may ask again', () => {
    expect(refused({ pathMtu: 5 })?.additionalInfo).toEqual(Uint8Array.of(3 << 4));
  });

  it('by the program, with its words, and again when it is repeated', () => {
    const rig = new CmRig(1);
    rig.b.engine.listen(7, 1);
    rig.onEvent = (side, event) => {
      if (event.kind === 'request') side.engine.reject(rig.now, event.link, CmRejectReason.CONSUMER, Uint8Array.of(5));
    };
    rig.connect();
    rig.run(1e8);
    const { refusal } = last(rig.a) as Extract<CmEvent, { kind: 'refused' }>;
    expect(refusal).toMatchObject({ reason: CmRejectReason.CONSUMER });
    expect(refusal.privateData[0]).toBe(5);
    rig.deliver(rig.b, rig.a.peer, rig.b.received[0]!);
    rig.run(1e8);
    expect(got(rig.a)).toEqual(['REJ', 'REJ']);
    expect(kinds(rig.b)).toEqual(['request']);
  });

  it('when the backlog is full, at once', () => {
    const rig = new CmRig(1);
    rig.b.engine.listen(7, 2);
    for (let i = 0; i < 3; i++) rig.connect(rig.a, rig.b, { localQpn: 0x20 + i });
    rig.run(1e7);
    expect(kinds(rig.b)).toEqual(['request', 'request']);
    expect(last(rig.a)).toMatchObject({ kind: 'refused', refusal: { reason: CmRejectReason.NO_RESOURCES } });
  });

  it('of a peer that has its share of connections, while others are served', () => {
    const rig = agreeing(1, {}, { maxLinksPerPeer: 2 });
    for (let i = 0; i < 2; i++) rig.connect(rig.a, rig.b, { localQpn: 0x20 + i });
    rig.run(1e8);
    const third = { ...request(rig.a.peer, rig.b.peer, { localQpn: 0x30 }), kind: 'REQ', remoteCommId: 0 } as const;
    rig.deliver(rig.b, rig.a.peer, { ...third, transactionId: 1n, localCommId: 77 });
    rig.run(1e8);
    expect(rig.a.received.at(-1)).toMatchObject({ kind: 'REJ', reason: CmRejectReason.NO_RESOURCES });
    const other = { key: '10.0.0.3', address: '10.0.0.3' };
    const fromOther = { ...request(other, rig.b.peer), kind: 'REQ', remoteCommId: 0, transactionId: 2n } as const;
    rig.deliver(rig.b, other, { ...fromOther, localCommId: 78 });
    expect(last(rig.b)).toMatchObject({ kind: 'request', link: { peer: other } });
  });

  it('when the listener closes; those that come later are too', () => {
    const rig = new CmRig(1);
    rig.b.engine.listen(7, 2);
    rig.connect();
    rig.run(1e7);
    rig.b.engine.unlisten(rig.now, 7);
    rig.run(1e7);
    expect(kinds(rig.b)).toEqual(['request', 'abandoned']);
    expect(last(rig.a)).toMatchObject({ kind: 'refused', refusal: { reason: CmRejectReason.INVALID_SERVICE_ID } });
  });
});

describe('time', () => {
  it('a request without an answer is repeated, then given up', () => {
    const rig = new CmRig(1, { loss: 1 });
    rig.connect(rig.a, rig.b, { maxCmRetries: 3 });
    rig.run();
    expect(kinds(rig.a)).toEqual(['unreachable']);
    expect(rig.a.engine.counters()).toMatchObject({ sent_REQ: 4, sent_REJ: 1, repeated: 3, timeouts: 1 });
    expect(rig.a.engine.size).toBe(0);
  });

  it('a program that does not answer: the peer is told to wait, then refused', () => {
    const rig = new CmRig(1, {}, { acceptNs: 2e9 });
    rig.b.engine.listen(7, 1);
    rig.connect(rig.a, rig.b, { maxCmRetries: 3 });
    rig.run(15e9);
    expect(got(rig.a)).toEqual(['MRA', 'REJ']);
    expect(kinds(rig.b)).toEqual(['request', 'abandoned']);
    expect(last(rig.a)).toMatchObject({ kind: 'refused', refusal: { reason: CmRejectReason.TIMEOUT } });
  });

  it('a peer that always asks for more time does not get more than the attempt has (N33)', () => {
    const rig = new CmRig(1);
    rig.b.engine.receive = () => {};
    const link = rig.connect(rig.a, rig.b, {}, 3e9);
    for (let i = 0; i < 10; i++) {
      rig.deliver(rig.a, rig.b.peer, {
        ...{ kind: 'MRA', transactionId: link.transactionId, localCommId: 5, remoteCommId: link.localCommId },
        ...{ acknowledged: 0, serviceTimeout: 31, privateData: NOTHING },
      });
      rig.run(0.4e9);
    }
    expect(kinds(rig.a)).toEqual(['unreachable']);
  });

  it('a peer that gives up takes its request back', () => {
    const rig = new CmRig(1);
    rig.b.engine.listen(7, 1);
    const link = rig.connect();
    rig.run(1e7);
    rig.a.engine.abort(rig.now, link);
    rig.run(1e7);
    expect(kinds(rig.b)).toEqual(['request', 'abandoned']);
    expect(rig.b.received.at(-1)).toMatchObject({ kind: 'REJ', additionalInfo: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 3) });
  });

  it('an answer that is not confirmed is repeated a few times, whatever the peer asked for (N33)', () => {
    const rig = agreeing();
    const forged = request(rig.a.peer, rig.b.peer, { localCmResponseTimeout: 0, maxCmRetries: 15 });
    rig.deliver(rig.b, rig.a.peer, { ...forged, kind: 'REQ', remoteCommId: 0, transactionId: 1n, localCommId: 9 });
    rig.run();
    expect(rig.b.engine.counters()).toMatchObject({ sent_REP: 6, sent_REJ: 1 });
    expect(kinds(rig.b)).toEqual(['request', 'unreachable']);
    expect(rig.b.engine.size).toBe(0);
  });

  it('a farewell without an answer ends all the same', () => {
    const { rig, active } = connected();
    rig.b.engine.disconnect(rig.now, last(rig.b).link, NOTHING);
    rig.b.engine.transmit(new DataView(new ArrayBuffer(256)), 0); // lost
    rig.a.engine.receive = () => {};
    rig.run();
    expect(last(rig.b)).toMatchObject({ kind: 'ended', by: 'lost' });
    expect(active.state).toBe('ESTABLISHED');
  });

  it('connections that are over make room when the table is full', () => {
    const rig = agreeing(1, {}, { maxLinks: 2 });
    for (let i = 0; i < 6; i++) {
      const link = rig.connect(rig.a, rig.b, { localQpn: 0x20 + i });
      rig.run(1e7);
      expect(link.state).toBe('ESTABLISHED');
      rig.a.engine.disconnect(rig.now, link, NOTHING);
      rig.run(1e7);
    }
    expect(rig.b.engine.size).toBe(2);
  });
});

describe('ending (IBTA vol. 1 §12.9)', () => {
  it('is DREQ and DREP; each side hears of it once, with the words of the other', () => {
    const { rig, active } = connected();
    rig.a.engine.disconnect(rig.now, active, Uint8Array.of(4));
    rig.run(1e9);
    const end = last(rig.b) as Extract<CmEvent, { kind: 'ended' }>;
    expect(end.by).toBe('peer');
    expect(end.privateData[0]).toBe(4);
    expect(last(rig.a)).toMatchObject({ kind: 'ended', by: 'local' });
    rig.run();
    expect([rig.a.engine.size, rig.b.engine.size]).toEqual([0, 0]);
  });

  it('from both sides at once ends once on each', () => {
    const { rig, active, passive } = connected();
    rig.a.engine.disconnect(rig.now, active, NOTHING);
    rig.b.engine.disconnect(rig.now, passive, NOTHING);
    rig.run();
    for (const side of [rig.a, rig.b]) expect(kinds(side).filter((kind) => kind === 'ended')).toHaveLength(1);
  });

  it('before the confirmation arrived is still: established, then ended', () => {
    const rig = agreeing();
    const link = rig.connect();
    rig.onEvent = (side, event) => {
      if (event.kind === 'request') side.engine.accept(rig.now, event.link, reply());
      if (event.kind !== 'replied') return;
      side.engine.confirm(rig.now, event.link);
      side.engine.transmit(new DataView(new ArrayBuffer(256)), 0); // the RTU is lost
      side.engine.disconnect(rig.now, link, NOTHING);
    };
    rig.run(1e9);
    expect(kinds(rig.b)).toEqual(['request', 'established', 'ended']);
  });

  it('a queue pair that the peer connects anew makes the old connection void once the new one is confirmed', () => {
    const { rig, passive } = connected();
    // the peer forgot everything: it asks with the same queue pair and another number
    const anew = rig.connect();
    rig.run(1e9);
    expect(anew.state).toBe('ESTABLISHED');
    const end = rig.b.events.find(({ kind }) => kind === 'ended');
    expect(end).toMatchObject({ by: 'stale', link: passive });
  });
});

describe('forged and late messages change nothing (N33)', () => {
  const forge = (link: CmLink, over: Partial<CmMessage> & { kind: CmMessage['kind'] }) =>
    ({
      transactionId: 1n,
      localCommId: link.remoteCommId,
      remoteCommId: link.localCommId,
      remoteQpn: link.localQpn,
      reason: 4,
      rejected: 2,
      additionalInfo: NOTHING,
      privateData: NOTHING,
      ...(over.kind === 'REP' ? reply() : {}),
      ...over,
    }) as unknown as CmMessage;
  const stranger = { key: '10.0.0.66', address: '10.0.0.66' };

  it.each([
    ['DREQ with another number of the sender', { kind: 'DREQ', localCommId: 1 }],
    ['DREQ with another number of the receiver', { kind: 'DREQ', remoteCommId: 1 }],
    ['DREQ for another queue pair', { kind: 'DREQ', remoteQpn: 0x99 }],
    ['REJ with another number', { kind: 'REJ', localCommId: 1 }],
    ['REJ without a number of the receiver', { kind: 'REJ', remoteCommId: 0, localCommId: 1 }],
    ['DREP that nobody asked for', { kind: 'DREP' }],
  ] as const)('%s', (_, over) => {
    const { rig, active } = connected();
    rig.deliver(rig.a, rig.b.peer, forge(active, over));
    rig.run(1e9);
    expect(active.state).toBe('ESTABLISHED');
    expect(kinds(rig.a)).not.toContain('ended');
  });

  it.each(['DREQ', 'REJ', 'REP', 'RTU', 'MRA'] as const)('%s with the right numbers from another address', (kind) => {
    const { rig, active, passive } = connected();
    for (const [side, link] of [
      [rig.a, active],
      [rig.b, passive],
    ] as const) {
      rig.deliver(side, stranger, forge(link, { kind }));
      expect(link.state).toBe('ESTABLISHED');
      expect(side.engine.counters()['dropped_otherPeer']).toBe(1);
    }
  });

  it('REP with a guessed number but another transaction', () => {
    const rig = new CmRig(1);
    const link = rig.connect();
    rig.deliver(rig.a, rig.b.peer, {
      ...reply(),
      kind: 'REP',
      transactionId: 1n,
      localCommId: 5,
      remoteCommId: link.localCommId,
    });
    expect(kinds(rig.a)).toEqual([]);
    expect(link.state).toBe('REQ_SENT');
  });

  it('RTU that confirms what the sender cannot know', () => {
    const rig = agreeing();
    const forged = request(rig.a.peer, rig.b.peer);
    rig.deliver(rig.b, rig.a.peer, { ...forged, kind: 'REQ', remoteCommId: 0, transactionId: 1n, localCommId: 9 });
    for (let guess = 0; guess < 100; guess++) {
      const ids = { transactionId: 1n, localCommId: 9, remoteCommId: guess };
      rig.deliver(rig.b, rig.a.peer, { kind: 'RTU', ...ids, privateData: NOTHING });
    }
    expect(kinds(rig.b)).toEqual(['request']);
  });

  it('a forged REQ with the queue pair of a connection does not end that one', () => {
    const { rig, passive } = connected();
    const forged = request(rig.a.peer, rig.b.peer);
    rig.deliver(rig.b, rig.a.peer, { ...forged, kind: 'REQ', remoteCommId: 0, transactionId: 1n, localCommId: 9 });
    rig.run();
    expect(passive.state).toBe('ESTABLISHED');
  });

  it('a REQ that repeats the number of a live connection with another queue pair is refused', () => {
    const { rig, active, passive } = connected();
    const forged = request(rig.a.peer, rig.b.peer, { localQpn: 0x99 });
    const ids = { remoteCommId: 0, transactionId: active.requestId, localCommId: active.localCommId };
    rig.deliver(rig.b, rig.a.peer, { ...forged, kind: 'REQ', ...ids });
    expect(passive.state).toBe('ESTABLISHED');
    expect(kinds(rig.b)).toEqual(['request', 'established']);
  });

  it('late repetitions of all messages of a life', () => {
    const { rig, active } = connected();
    rig.a.engine.disconnect(rig.now, active, NOTHING);
    rig.run(1e8);
    const [toA, toB] = [[...rig.a.received], [...rig.b.received]];
    const before = [kinds(rig.a), kinds(rig.b)];
    for (const message of toA) rig.deliver(rig.a, rig.b.peer, message);
    for (const message of toB) rig.deliver(rig.b, rig.a.peer, message);
    rig.run(1e8);
    expect([kinds(rig.a), kinds(rig.b)]).toEqual(before);
  });

  it('a farewell of an unknown connection is answered, so that the peer need not wait', () => {
    const rig = new CmRig(1);
    const ids = { transactionId: 7n, localCommId: 3, remoteCommId: 4 };
    rig.deliver(rig.b, rig.a.peer, { kind: 'DREQ', ...ids, remoteQpn: 5, privateData: NOTHING });
    rig.run(1e6);
    expect(rig.a.received).toMatchObject([{ kind: 'DREP', transactionId: 7n, localCommId: 4, remoteCommId: 3 }]);
  });

  it('a flood of requests is bounded: each is answered, few are kept', () => {
    const rig = new CmRig(1, {}, { maxPending: 8, maxOutbox: 64 });
    rig.b.engine.listen(7, 100);
    for (let i = 0; i < 500; i++) {
      const source = `10.1.${i >> 8}.${i & 255}`;
      const peer = { key: source, address: source };
      const forged = { ...request(peer, rig.b.peer), kind: 'REQ', remoteCommId: 0, localCommId: i + 1 } as const;
      rig.deliver(rig.b, peer, { ...forged, transactionId: BigInt(i) });
    }
    expect(rig.b.engine.size).toBe(8);
    expect(rig.b.engine.counters()['sent_REJ']).toBe(492);
    rig.run();
    expect(rig.b.engine.size).toBe(0);
  });

  it('bytes that are no message: every length, every single bit of a REQ', () => {
    const rig = agreeing();
    const bytes = bytesOf({
      ...request(rig.a.peer, rig.b.peer),
      kind: 'REQ',
      remoteCommId: 0,
      transactionId: 1n,
      localCommId: 9,
    });
    for (let length = 0; length < 256; length++) rig.deliver(rig.b, rig.a.peer, bytes.slice(0, length));
    expect(rig.b.engine.counters()['dropped_notAMad']).toBe(256);
    for (let bit = 0; bit < 256 * 8; bit++) {
      const wrong = bytes.slice();
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      rig.deliver(rig.b, rig.a.peer, wrong);
      rig.run(0);
    }
    rig.run();
    expect(rig.b.engine.size).toBe(0);
  });
});

describe('two machines and a hostile link, many seeds', () => {
  const SEEDS = 60;

  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'loss, duplicates and reordering, seed %i: both sides agree',
    (seed) => {
      const faults = { loss: 0.25, duplicate: 0.2, reorder: 0.3 };
      const rig = agreeing(seed, faults);
      const random = new SeededRandom(seed);
      const outcome = new Map<CmLink, string>();
      const agree = rig.onEvent;
      rig.onEvent = (side, event) => {
        agree(side, event);
        const before = outcome.get(event.link);
        // each step happens once and in order
        if (event.kind === 'established') expect(before).toBeUndefined();
        if (event.kind === 'ended') expect(before).toBe('established');
        if (event.kind !== 'request' && event.kind !== 'replied') outcome.set(event.link, event.kind);
      };
      const links = Array.from({ length: 8 }, (_, i) => rig.connect(rig.a, rig.b, { localQpn: 0x100 + i }));
      rig.run(20e9);
      // fifteen repetitions get through
      for (const link of links) expect(link.state).toBe('ESTABLISHED');
      const passive = [...outcome.keys()].filter((link) => !link.isActive);
      expect(
        passive
          .filter(({ state }) => state === 'ESTABLISHED')
          .map(({ remoteQpn }) => remoteQpn)
          .sort(),
      ).toEqual(links.map(({ localQpn }) => localQpn).sort());
      for (const link of links) rig.a.engine.disconnect(rig.now, random.chance(0.5) ? link : links[0]!, NOTHING);
      for (const link of passive) if (random.chance(0.5)) rig.b.engine.disconnect(rig.now, link, NOTHING);
      rig.run();
      for (const link of links) rig.a.engine.disconnect(rig.now, link, NOTHING);
      rig.run();
      expect(rig.a.engine.size).toBe(0);
      for (const link of links) expect(outcome.get(link)).toBe('ended');
    },
  );

  it('the same seed twice is the same run', () => {
    const trace = () => {
      const rig = agreeing(5, { loss: 0.3, duplicate: 0.2, reorder: 0.5 });
      for (let i = 0; i < 5; i++) rig.connect(rig.a, rig.b, { localQpn: 0x100 + i });
      rig.run(30e9);
      return JSON.stringify([rig.now, rig.a.engine.counters(), rig.b.engine.counters()]);
    };
    expect(trace()).toBe(trace());
  });
});
