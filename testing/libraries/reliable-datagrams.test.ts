import { findTransport, SeededRandom } from '@verbena/core';
import { DriverBench, type DriverUnderTest, type Endpoint, softUnderTest } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { type Datagram as EfaDatagram, EfaLike } from '../drivers/efa-like/kernel.ts';
import { EfaEnd } from '../drivers/efa-like/user.ts';
import { Mlx5Like, PROTOCOLS } from '../drivers/mlx5-like/kernel.ts';
import { ToyWire } from '../drivers/toy-hardware.ts';
import { RELIABLE_KINDS } from '../reliable-kinds.ts';
import { type Datagram, type MessageQueue, ReliableDatagrams } from './reliable-datagrams.ts';

/** A device with attributes and a kind of queue of its own: SRD. */
const efaLike: DriverUnderTest = {
  name: 'efa-like (SRD)',
  plug() {
    const wire = new ToyWire<EfaDatagram>();
    const drivers = [new EfaLike(wire, 1), new EfaLike(wire, 2)] as const;
    return {
      drivers,
      run: () => {
        for (let i = 0; i < 4; i++) wire.run();
      },
      held: () => drivers.reduce((sum, { memory }) => sum + memory.held, 0),
      recipes: {},
      talk(a, b) {
        const [near, far] = [new EfaEnd(a), new EfaEnd(b)];
        near.connect(2, far.qpn);
        far.connect(1, near.qpn);
        return [near, far];
      },
    };
  },
};

/** A device with many objects and methods of its own beside the common ones. */
const mlx5Like = softUnderTest(findTransport(PROTOCOLS[0]!)!, ({ kernel }) => new Mlx5Like(kernel), 'mlx5-like (RU)');

const over = (end: Endpoint): MessageQueue => ({
  maxBytes: 1024,
  send: (_, bytes) => end.send(bytes),
  receive: () => end.receive(),
});

/** The program: it is the same for all devices. */
function exchange(near: ReliableDatagrams, far: ReliableDatagrams, run: () => void): void {
  const random = new SeededRandom(20_261_124);
  const sizes = [0, 1, 1007, 1008, 1009, 5000, 3, 20_000, 0, 2016];
  const messages = sizes.map((size) => Uint8Array.from({ length: size }, () => random.uint32()));
  for (const bytes of messages) {
    expect(near.send(2, bytes)).toBe(true);
    expect(far.send(1, bytes.slice().reverse())).toBe(true);
  }
  const [atNear, atFar]: [Datagram[], Datagram[]] = [[], []];
  for (let i = 0; i < 200 && atNear.length + atFar.length < 2 * sizes.length; i++) {
    near.progress();
    far.progress();
    run();
    for (let one = near.receive(); one !== undefined; one = near.receive()) atNear.push(one);
    for (let one = far.receive(); one !== undefined; one = far.receive()) atFar.push(one);
  }
  expect(atFar).toEqual(messages.map((bytes) => ({ source: 1, bytes })));
  expect(atNear).toEqual(messages.map((bytes) => ({ source: 2, bytes: bytes.slice().reverse() })));
}

describe('one datagram layer, several kinds of queues', () => {
  const soft = RELIABLE_KINDS.map(({ transport, kind }) =>
    softUnderTest(transport, undefined, `soft with ${transport.name} ${kind}`, kind),
  );
  for (const driver of [...soft, efaLike, mlx5Like]) {
    it(`the same program works over ${driver.name}, and sees nothing of the driver (R129 R074)`, () => {
      const bench = new DriverBench(driver);
      const [a, b] = bench.pair.talk!(bench.program(0), bench.program(1));
      exchange(new ReliableDatagrams(1, over(a)), new ReliableDatagrams(2, over(b)), () => bench.pair.run());
      bench.end();
    });
  }

  it('order is that of the senders, whatever a queue does to it; what is too much is refused (R129)', () => {
    const random = new SeededRandom(7);
    const air = new Map<number, Uint8Array[]>([1, 2, 3].map((peer) => [peer, []]));
    const ends = [1, 2, 3].map((own) => {
      const send = (peer: number, bytes: Uint8Array) => void air.get(peer)!.push(bytes);
      const receive = () => {
        const waiting = air.get(own)!;
        return random.below(2) === 0 ? undefined : waiting.splice(random.below(waiting.length + 1), 1)[0];
      };
      return new ReliableDatagrams(own, { maxBytes: 64, send, receive });
    });
    const [to, ...from] = ends as [ReliableDatagrams, ReliableDatagrams, ReliableDatagrams];
    for (let i = 0; i < 40; i++) for (const one of from) one.send(1, new Uint8Array(i * 5).fill(i));
    expect(from.map((one) => one.send(1, new Uint8Array(48 * 256)))).toEqual([false, false]);
    const seen = new Map<number, number[]>([2, 3].map((source) => [source, []]));
    for (let i = 0; i < 5000; i++) {
      for (const one of ends) one.progress();
      for (let one = to.receive(); one !== undefined; one = to.receive()) {
        expect(one.bytes.every((byte) => byte === one.bytes.length / 5)).toBe(true);
        seen.get(one.source)!.push(one.bytes.length / 5);
      }
    }
    const all = Array.from({ length: 40 }, (_, i) => i);
    expect([...seen.values()]).toEqual([all, all]);
  });
});
