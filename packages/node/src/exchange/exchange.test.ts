import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ExchangeListener, ExchangeSocket } from './exchange-socket.ts';
import { encodePerftestLine, type PerftestCard } from './perftest-card.ts';
import { PerftestExchange } from './perftest-exchange.ts';
import type { PingpongCard } from './pingpong-card.ts';
import { answerPingpong, introducePingpong, SRQ_CARDS } from './pingpong-exchange.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** Both ends of a connection. */
async function pair(): Promise<[ExchangeSocket, ExchangeSocket]> {
  const listener = await ExchangeListener.open({ address: '127.0.0.1', port: 0 });
  const [client, server] = await Promise.all([
    ExchangeSocket.connect({ host: '127.0.0.1', port: listener.port }),
    listener.next({ timeoutMs: 5000 }),
  ]);
  open.push(listener, client, server);
  return [client, server];
}

/** A peer that says what a capture says, and nothing else; answers what it was told. */
async function recorded(words: readonly string[]): Promise<{ port: number; heard: () => string }> {
  let heard = '';
  const server = createServer((socket: Socket) => {
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    for (const word of words) socket.write(Buffer.from(word, 'latin1'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, heard: () => heard };
}

const card = (qpn: number): PingpongCard => ({ lid: 0, qpn, psn: qpn * 3, address: '192.0.2.1' });
const perfCard = (qpn: number): PerftestCard => ({
  ...{ lid: 0, outstandingReads: 16, qpn, psn: 1, rkey: 7, remoteAddress: 4096n, address: '192.0.2.1' },
});

describe('the exchange of the pingpong programs verbs/8.3', () => {
  it('the server connects before it answers', async () => {
    const [client, server] = await pair();
    const order: string[] = [];
    const [theirs, ours] = await Promise.all([
      introducePingpong(client, { cards: [card(1)] }).then((got) => {
        order.push('answered');
        return got;
      }),
      answerPingpong(server, { cards: [card(2)] }, (got) => {
        order.push(`connected ${got[0]!.qpn}`);
      }),
    ]);
    expect(theirs).toEqual([card(2)]);
    expect(ours).toEqual([card(1)]);
    expect(order).toEqual(['connected 1', 'answered']);
  });

  it('ibv_srq_pingpong: 256 cards travel each way, and those of no queue pair are left out', async () => {
    const [client, server] = await pair();
    const mine = [card(1), card(2), card(3)];
    const [theirs, ours] = await Promise.all([
      introducePingpong(client, { cards: mine, count: SRQ_CARDS }),
      answerPingpong(server, { cards: [card(9)], count: SRQ_CARDS }, () => {}),
    ]);
    expect(ours).toEqual(mine);
    expect(theirs).toEqual([card(9)]);
  });

  it('the client says to a recorded ibv_rc_pingpong what ibv_rc_pingpong said', async () => {
    const { port, heard } = await recorded(['0000:000011:cfc881:00000000000000000000ffffc0a84d03\0']);
    const link = await ExchangeSocket.connect({ host: '127.0.0.1', port });
    open.push(link);
    const own = { qpn: 0x11, psn: 0x4e1c25, address: '192.168.77.2' };
    const [server] = await introducePingpong(link, { cards: [own] });
    expect(server).toMatchObject({ qpn: 0x11, psn: 0xcfc881, address: '192.168.77.3' });
    await link.drain(200);
    expect(heard()).toBe('0000:000011:4e1c25:00000000000000000000ffffc0a84d02\0done\0');
  });
});

describe('the exchange of perftest verbs/8.6', () => {
  it('both sides agree on the smaller MTU, shake, report and part', async () => {
    const [one, other] = await pair();
    const client = new PerftestExchange(one, 'client');
    const server = new PerftestExchange(other, 'server');
    const [asked, answered] = await Promise.all([client.agree(4096), server.agree(512)]);
    expect(asked).toEqual({ version: '6.06', pageBytes: 4096, cacheLineBytes: 64, pathMtu: 512 });
    expect(answered.pathMtu).toBe(512);
    expect(await Promise.all([client.shake(perfCard(1)), server.shake(perfCard(2))])).toEqual([
      perfCard(2),
      perfCard(1),
    ]);
    const report = { size: 3001, iterations: 5, peak: 1.5, average: 1.25, messageRate: 0.5 };
    const [, heard] = await Promise.all([client.report(report), server.report({ ...report, size: 1 })]);
    expect(heard).toEqual(report);
    await Promise.all([client.finish(perfCard(1)), server.finish(perfCard(2))]);
  });

  it('a client understands what ib_write_bw said as a server, word by word', async () => {
    const line =
      '0000:0001:000024:5cd59a:000006aa:00005572b51c0000:00:00:00:00:00:00:00:00:00:00:ff:ff:c0:a8:4d:03:00000000:\0';
    const { port, heard } = await recorded(['6.06'.padEnd(16, '\0'), '\0\0\x10\0', '\0\0\0@', '3\0', line]);
    const link = await ExchangeSocket.connect({ host: '127.0.0.1', port });
    open.push(link);
    const exchange = new PerftestExchange(link, 'client');
    expect(await exchange.agree(4096)).toMatchObject({ version: '6.06', pathMtu: 1024 });
    expect(await exchange.shake(perfCard(5))).toMatchObject({ qpn: 0x24, rkey: 0x6aa, remoteAddress: 0x5572b51c0000n });
    await link.drain(200);
    const mine = Buffer.from(encodePerftestLine(perfCard(5))).toString('latin1');
    expect(heard()).toBe(`${'6.06'.padEnd(16, '\0')}\0\0\x10\0\0\0\0@5\0${mine}`);
  });

  it('a version that is too old is refused', async () => {
    const { port } = await recorded(['5.33'.padEnd(16, '\0')]);
    const link = await ExchangeSocket.connect({ host: '127.0.0.1', port });
    open.push(link);
    await expect(new PerftestExchange(link, 'client').agree(1024)).rejects.toMatchObject({ code: 'EPROTONOSUPPORT' });
  });
});

describe('a peer that does not play', () => {
  it('nobody listens: ECONNREFUSED with advice', async () => {
    const { port } = await recorded([]);
    open.splice(0)[0]!.close();
    await expect(ExchangeSocket.connect({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('it goes away in the middle of a card: EIO', async () => {
    const [client, server] = await pair();
    await client.write(new Uint8Array(10));
    client.close();
    await expect(server.read(52)).rejects.toMatchObject({ code: 'EIO' });
  });

  it('it says nothing: ETIMEDOUT, and the link still works', async () => {
    const [client, server] = await pair();
    await expect(server.read(4, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await client.write(Uint8Array.of(1, 2, 3, 4));
    expect(await server.read(4)).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it('it floods: EIO, and no more than 128 KiB are kept', async () => {
    const [client, server] = await pair();
    const flood = client.write(new Uint8Array(4 << 20)).catch(() => {});
    await expect(server.read(1 << 20, { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'EIO' });
    server.close();
    await flood;
  });

  it('an abort ends a wait with its reason', async () => {
    const [, server] = await pair();
    const controller = new AbortController();
    const wait = server.read(4, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(wait).rejects.toThrow('enough');
  });

  it('nobody comes: ETIMEDOUT; the port is taken: EADDRINUSE', async () => {
    const listener = await ExchangeListener.open({ address: '127.0.0.1', port: 0 });
    open.push(listener);
    await expect(listener.next({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await expect(ExchangeListener.open({ address: '127.0.0.1', port: listener.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});
