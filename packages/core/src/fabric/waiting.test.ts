import { describe, expect, it } from 'vitest';
import { TRANSPORTS } from '../catalog.ts';
import { FabricBed, type FabricBedOptions } from '../testing/fabric-bed.ts';
import type { Completion } from './completion.ts';

const uet = TRANSPORTS.find(({ name }) => name === 'uet')!;
const bedOf = (options: Partial<FabricBedOptions> = {}) =>
  new FabricBed({ transport: uet, hints: { caps: { msg: true, rma: true } }, seed: 12, ...options });

describe('waiting (R122, uet:ses/7.3)', () => {
  it('of two queues of a domain each is woken by its own, whoever collects', async () => {
    const bed = bedOf();
    const { a, b } = bed;
    a.endpoint.messages.receive(undefined, 0, 0, -1, 'received');
    const waits = Promise.all([a.sendQueue.next({ timeoutMs: 1e4 }), a.receiveQueue.next({ timeoutMs: 1e4 })]);
    b.endpoint.messages.receive(undefined, 0, 0);
    a.endpoint.messages.send(undefined, 0, 0, a.to(b), 'sent');
    b.endpoint.messages.inject(new Uint8Array(0), b.to(a));
    const [sent, received] = await bed.pump.settle(waits);
    expect([sent.context, received.context]).toEqual(['sent', 'received']);
    bed.completed(b, 0, 1);
    bed.close();
  });

  it('ends in time, by a signal, and by an abort', async () => {
    const bed = bedOf();
    const { sendQueue } = bed.a;
    const before = bed.pump.now;
    const wait = sendQueue.next({ timeoutMs: 3 });
    await expect(bed.pump.settle(wait)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(bed.pump.now - before).toBeGreaterThanOrEqual(3e6);
    const signalled = sendQueue.next();
    sendQueue.signal();
    await expect(bed.pump.settle(signalled)).rejects.toMatchObject({ code: 'EAGAIN' });
    const control = new AbortController();
    const aborted = sendQueue.next({ signal: control.signal });
    control.abort(new Error('enough'));
    await expect(bed.pump.settle(aborted)).rejects.toThrow('enough');
    bed.close();
  });

  it('for a counter ends when so much is counted, and when something fails', async () => {
    let sends: ReturnType<typeof bed.a.domain.openCounter> | undefined;
    const bed = bedOf({
      prepare: (end) => {
        if (end.node.index !== 0) return;
        sends = end.domain.openCounter();
        end.endpoint.bind(sends, { send: true, write: true });
      },
    });
    const { a, b } = bed;
    const counter = sends!;
    const enough = counter.wait(3, { timeoutMs: 1e4 });
    for (let i = 0; i < 3; i++) b.endpoint.messages.receive(undefined, 0, 0);
    for (let i = 0; i < 3; i++) a.endpoint.messages.inject(new Uint8Array(0), a.to(b));
    await bed.pump.settle(enough);
    expect(counter.read()).toBe(3);
    const failing = counter.wait(5);
    a.endpoint.rma.injectWrite(Uint8Array.of(1), a.to(b), 0, 0x99n);
    await expect(bed.pump.settle(failing)).rejects.toMatchObject({ code: 'EIO' });
    const late = counter.wait(50);
    counter.set(60);
    await bed.pump.settle(late);
    bed.pump.close();
  });

  it('ends with the fabric: queues end, waits are refused, nothing hangs', async () => {
    const bed = bedOf();
    const { a } = bed;
    const seen: Completion[] = [];
    const loop = (async () => {
      for await (const one of a.sendQueue) seen.push(one);
    })();
    const next = a.receiveQueue.next();
    const outcome = expect(next).rejects.toMatchObject({ code: 'EINVAL' });
    a.endpoint.messages.receive(undefined, 0, 0);
    const closed = a.fabric.close();
    await bed.pump.settle(Promise.all([loop, outcome, closed]));
    expect(seen).toEqual([]);
    for (const one of [a.domain, a.endpoint, a.vector, a.sendQueue]) expect(one.isOpen).toBe(false);
    expect(() => a.fabric.getInfo()).toThrow(/closed/);
    expect(() => a.endpoint.messages.receive(undefined, 0, 0)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    bed.pump.close();
  });

  it('events of endpoints come to the queue that was bound', () => {
    const bed = bedOf();
    const { a } = bed;
    const endpoint = a.domain.openEndpoint();
    const events = a.domain.openEventQueue();
    endpoint.bind(a.vector);
    endpoint.bind(events);
    endpoint.bind(a.sendQueue, { transmit: true, receive: true });
    endpoint.enable();
    expect(events.read()).toEqual([]);
    expect(() => events.close()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    endpoint.close();
    events.close();
    bed.close();
  });
});

describe('addresses that say what a peer can do (R122, uet:ses/6.4)', () => {
  it('keep messages with tags from peers that take none', () => {
    const hints = { caps: { msg: true, tagged: true } };
    const bed = bedOf({ ends: [{ hints }, { hints: { caps: { msg: true } } }] });
    const { a, b } = bed;
    const refused = () => a.endpoint.tagged.send(undefined, 0, 0, a.to(b), 1);
    expect(refused).toThrow(expect.objectContaining({ code: 'EOPNOTSUPP' }));
    expect(() => b.endpoint.tagged).toThrow(expect.objectContaining({ code: 'EOPNOTSUPP' }));
    bed.close();
  });
});
