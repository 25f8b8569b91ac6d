import { describe, expect, it } from 'vitest';
import { Rig } from './device-rig.testdata.ts';
import { RemoteMemory } from './remote-memory.ts';

/** A program that writes into its own memory, with as many completion queues as wanted. */
function program(queues = 2) {
  const rig = new Rig();
  const { device, system, registered, kernel } = rig.device('10.0.0.1');
  const context = device.open();
  const pd = context.allocatePd();
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  const channel = context.createCompletionChannel();
  const region = pd.registerMemory(context.allocate(64), { access: ['local-write', 'remote-write'] });
  const remote = new RemoteMemory(region.rkey);
  const lanes = Array.from({ length: queues }, (_, i) => {
    const cq = context.createCompletionQueue({ entries: 32, channel });
    const qp = pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey, sendDepth: 32, receiveDepth: 4 });
    const to = pd.createAddressHandle({ address: '10.0.0.1', qpn: qp.qpn });
    const write = (id = i) => qp.post({ opcode: 'write', id, to, region, length: 1, remote });
    const drain = () => {
      const ids: number[] = [];
      for (let one = cq.take(); one !== undefined; one = cq.take()) ids.push(Number(one.id));
      return ids;
    };
    return { cq, qp, write, drain };
  });
  return { rig, system, registered, kernel, context, pd, channel, region, lanes };
}

describe('completion channel (rdma-core 12)', () => {
  it('says which of its queues has news, once for each arming', async () => {
    const { rig, channel, lanes } = program();
    const [first, second] = [lanes[0]!, lanes[1]!];
    for (const { cq } of lanes) cq.arm();
    const next = rig.settle(channel.next());
    second.write();
    expect(await next).toBe(second.cq);
    expect(second.drain()).toEqual([1]);
    second.write();
    rig.turn();
    expect(channel.take()).toBeUndefined(); // it was not armed again
    first.write();
    first.write();
    rig.turn();
    expect([channel.take(), channel.take()]).toEqual([first.cq, undefined]);
    second.cq.arm();
    expect(second.drain()).toEqual([1]); // what came before arming is found by polling
  });

  it('waits, times out, is aborted, and ends when it is closed', async () => {
    const { rig, channel, lanes } = program();
    await expect(rig.settle(channel.next({ timeoutMs: 5 }))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const abort = new AbortController();
    const waiting = rig.settle(channel.next({ signal: abort.signal }));
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(() => channel.close()).toThrow('EBUSY');
    const seen: number[] = [];
    const reading = (async () => {
      for await (const cq of channel) seen.push(lanes.findIndex((lane) => lane.cq === cq));
    })();
    lanes[1]!.cq.arm();
    lanes[1]!.write();
    rig.turn();
    for (let i = 0; i < 20; i++) await null;
    expect(seen).toEqual([1]);
    for (const { qp, cq } of lanes) {
      qp.close();
      cq.close();
    }
    channel.close();
    await reading;
    await expect(channel.next()).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('wakes its reader when the device goes away', async () => {
    const { rig, system, registered, channel } = program();
    const waiting = rig.settle(channel.next());
    for (let i = 0; i < 5; i++) await null;
    system.remove(registered);
    await expect(waiting).rejects.toMatchObject({ code: 'EIO' });
  });

  it('a queue on a channel can be waited for by itself, too', async () => {
    const { rig, lanes } = program(1);
    const waiting = rig.settle(lanes[0]!.cq.next());
    lanes[0]!.write(9);
    expect((await waiting).id).toBe(9n);
  });
});

describe('moderation of a completion queue (verbs/1.5)', () => {
  it('wakes after so many completions, or after so much time, and shows all of them at once', () => {
    const { rig, channel, lanes } = program(1);
    const { cq, write, drain } = lanes[0]!;
    cq.modify({ count: 3, periodUs: 50 });
    expect(cq.query()).toMatchObject({ moderation_count: 3, moderation_period_us: 50 });
    const woken = () => channel.take() === cq;
    cq.arm();
    for (let i = 0; i < 2; i++) {
      write(i);
      rig.turn();
      expect(woken()).toBe(false);
    }
    expect(drain()).toEqual([0, 1]); // polling need not wait
    write(2);
    rig.turn();
    expect(woken()).toBe(true);
    expect(drain()).toEqual([2]);
    cq.arm();
    write(3);
    rig.turn();
    const from = rig.now;
    expect(woken()).toBe(false);
    expect(rig.devices[0]!.port.deadline()).toBe(from + 50_000);
    rig.advance();
    rig.turn();
    expect([woken(), rig.now - from]).toEqual([true, 50_000]);
    cq.arm();
    write(4);
    rig.turn();
    expect(woken()).toBe(false);
    cq.modify({ count: 1, periodUs: 0 });
    expect(woken()).toBe(true); // what was held back is told at once
    cq.arm();
    write(5);
    rig.turn();
    expect(woken()).toBe(true);
    expect(rig.devices[0]!.kernel.deadline()).toBeGreaterThan(rig.now + 1e9);
  });

  it('leaves nothing behind when the queue is closed while it holds something back', () => {
    const { rig, kernel, lanes } = program(1);
    const { cq, qp, write } = lanes[0]!;
    cq.modify({ count: 100, periodUs: 60_000 });
    cq.arm();
    write();
    rig.turn();
    expect(kernel.deadline()).toBeLessThan(rig.now + 1e9);
    qp.close();
    cq.close();
    expect(kernel.deadline()).toBeGreaterThan(rig.now + 1e9);
  });
});

describe('event streams (rdma-core 12)', () => {
  it('take the events of their objects, and of the device', async () => {
    const { rig, system, registered, context, pd } = program(0);
    const stream = context.createEventStream();
    const cq = context.createCompletionQueue({ entries: 1, events: stream });
    const jobKey = pd.createJobKey(context.createJob({ id: 8 }));
    const options = { type: 'RU', sendCq: cq, recvCq: cq, jobKey } as const;
    const [own, other] = [pd.createQueuePair({ ...options, events: stream }), pd.createQueuePair(options)];
    expect(() => stream.close()).toThrow('EBUSY');
    for (const qp of [own, other]) qp.post({ opcode: 'send', toIndex: 0 }); // no such address: fails at once
    rig.turn(); // two completions, room for one
    const names = (list: readonly { name: string; object: unknown }[]) =>
      list.map(
        ({ name, object }) =>
          `${name} ${object === own ? 'own' : object === other ? 'other' : object === cq ? 'cq' : ''}`,
      );
    expect(names(stream.take()).sort()).toEqual(['CQ_ERR cq', 'QP_FATAL own']);
    expect(names(context.takeEvents().events)).toEqual(['QP_FATAL other']);
    const seen: string[] = [];
    const reading = rig.settle(
      (async () => {
        for await (const { name } of stream) seen.push(name);
      })(),
    );
    for (let i = 0; i < 5; i++) await null;
    system.remove(registered);
    await reading;
    expect(seen).toEqual(['DEVICE_FATAL']);
  });

  it('end when they are closed', async () => {
    const { rig, context } = program(0);
    const stream = context.createEventStream();
    const reading = rig.settle(
      (async () => {
        for await (const one of stream) expect.unreachable(one.name);
      })(),
    );
    for (let i = 0; i < 5; i++) await null;
    stream.close();
    await reading;
    expect(() => stream.take()).toThrow('EINVAL');
  });
});
