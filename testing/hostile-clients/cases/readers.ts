/** Clients that do not read, and clients that do nothing but ring. */
import { encodeRequest, UAPI } from '@verbena/core/uapi';
import type { HostileCase } from '../attack.ts';
import { DEVICES, LIMITS } from '../daemon-process.ts';
import { Keep, RawClient } from '../raw-client.ts';
import { closeDescriptor, mapPages } from '../system-calls.ts';

export const slowReaders: HostileCase = {
  name: 'clients that read neither answers nor notifications are dropped, and hold nothing up',
  proves: 'L16',
  longest: 4,
  async attack(attack) {
    const before = await attack.daemon.counters();
    const wanted = 4 * attack.effort;
    const list = encodeRequest(UAPI.DEVICE, UAPI.DEVICE.methods.LIST, {});
    const slow = Array.from({ length: wanted }, () => RawClient.connect(attack.socket, Keep.NONE));
    const until = performance.now() + 15_000;
    // as fast as the daemon reads
    while (slow.some(({ ended }) => !ended) && performance.now() < until) {
      for (const client of slow) {
        if (client.ended) continue;
        for (let i = 0; i < 64 && client.send(list) === 'sent'; i++) attack.count('calls without a reader');
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const client of slow) {
      attack.expect(client.ended, 'a client that does not read was not dropped');
      client.close();
    }
    // reads too little: fewer answers than the queue holds, and for too long
    const late = RawClient.connect(attack.socket, Keep.NONE);
    while (late.send(list) === 'sent') attack.count('calls without a reader');
    const give = performance.now() + LIMITS.slowReaderMs * 4;
    while (!late.ended && performance.now() < give) {
      late.kick();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    attack.expect(late.ended, 'a client that reads nothing for too long was not dropped');
    late.close();
    const after = await attack.daemon.counters();
    const counted = (after.droppedSlowReader ?? 0) - (before.droppedSlowReader ?? 0);
    attack.facts['dropped as slow readers'] = counted;
    attack.expect(counted >= wanted, `${counted} of ${wanted + 1} slow readers were counted`);

    // notifications that nobody reads
    const ms = 1500 * attack.effort;
    const storming = attack.attacker('storm', [ms, 2200]);
    const said = (await storming.says(ms + 20_000)) as Record<string, number> | undefined;
    attack.expect(said !== undefined, `the attacker said nothing: ${storming.stderr}`);
    for (const [fact, value] of Object.entries(said ?? {})) attack.count(`storm: ${fact}`, value);
    await storming.ended;
  },
};

export const bellStorms: HostileCase = {
  name: 'storms of kicks, and of bells of queues that do not exist',
  proves: 'L13 L16',
  longest: 4,
  async attack(attack) {
    const clients = Array.from({ length: 3 }, () => RawClient.connect(attack.socket, Keep.NONE));
    const pages = clients.map((client) => {
      const { opened, header } = client.open(DEVICES[0]);
      const input = { offset: opened.page, length: opened.pageBytes };
      const { fds } = client.callWithFiles(UAPI.DEVICE, UAPI.DEVICE.methods.MAP, input, header);
      const page = mapPages(opened.pageBytes, fds[0]!);
      for (const fd of fds) closeDescriptor(fd);
      return page;
    });
    const words = pages.map(({ bytes }) => new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2));
    const until = performance.now() + 1500 * attack.effort;
    while (performance.now() < until) {
      for (let i = 0; i < 50; i++) {
        for (const [at, client] of clients.entries()) {
          const page = words[at]!;
          Atomics.add(page, 0, 1);
          page.fill(-1, 16);
          page[1] = i & 1;
          attack.count('bells');
          if (client.kick() === 'sent') attack.count('kicks');
          attack.expect(!client.ended, 'a client that kicks was dropped');
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const client of clients) {
      attack.expect(client.outcome(UAPI.DEVICE, UAPI.DEVICE.methods.LIST, {}) === 'OK', 'no answer after a storm');
      client.close();
    }
    for (const page of pages) page.unmap();
  },
};
