import { isVerbsError } from '@verbena/core';
import { type LiveDeviceHandle, openDevice } from '@verbena/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StandInReport, StandInRequest } from './plan.ts';
import { runStandIn } from './stand-in.ts';
import { STAND_IN_TOOLS, type StandInTool, standInTool } from './tools.ts';

let server: LiveDeviceHandle;
let client: LiveDeviceHandle;

beforeAll(async () => {
  server = await openDevice({ transport: 'roce', address: SERVER, seed: 1 });
  client = await openDevice({ transport: 'roce', address: CLIENT, seed: 2 });
});

afterAll(async () => {
  await client?.close();
  await server?.close();
});

/** Both halves of a tool; the first one that fails decides. */
async function both(
  request: StandInRequest,
  other: Partial<StandInRequest> = {},
  from = client,
): Promise<StandInReport[]> {
  const controller = new AbortController();
  const port = nextPort();
  const ours = { port, patienceMs: 10_000, waitMs: 10_000, ...request, signal: controller.signal };
  let served: Promise<StandInReport> | undefined;
  await new Promise<void>((ready, failed) => {
    served = runStandIn(server, { ...ours, ready });
    served.catch(failed);
  });
  const asked = runStandIn(from, { ...ours, ...other, host: SERVER });
  try {
    return await Promise.all([served!, asked]);
  } catch (thrown) {
    controller.abort(new Error('the other side failed'));
    await Promise.allSettled([served!, asked]);
    throw thrown;
  }
}

async function failure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (thrown) {
    if (!isVerbsError(thrown)) throw thrown;
    return `${thrown.code}: ${thrown.explain()}`;
  }
  throw new Error('it did not fail');
}

const tool = (name: string): StandInTool => standInTool(name)!;

describe('the stand-ins of Linux tools play with each other', () => {
  it.each(STAND_IN_TOOLS)('$name verbs/8.3 verbs/8.4 verbs/8.6', async (one) => {
    const size = one.verb === 'atomic' ? 8 : one.kinds[0] === 'UD' ? 1000 : 3001;
    for (const report of await both({ tool: one, size, iterations: 20 })) {
      expect(report).toMatchObject({ ok: true, iterations: 20 });
      expect(report.text).toContain('checked: ');
      expect(report.bytes).toBeGreaterThanOrEqual(20 * size);
    }
  });

  it.each(STAND_IN_TOOLS.filter(({ manager }) => manager === 'optional'))(
    '$name connected by the connection manager verbs/8.6',
    async (one) => {
      const reports = await both({ tool: one, iterations: 10, manager: true });
      expect(reports.every(({ ok }) => ok)).toBe(true);
    },
  );

  const variants: [string, Partial<StandInRequest>][] = [
    ['ib_send_bw', { kind: 'UC', size: 2000 }],
    ['ib_send_bw', { kind: 'UD', size: 512 }],
    ['ib_send_bw', { bothWays: true, size: 4096 }],
    ['ib_send_bw', { size: 17, iterations: 600 }],
    ['ib_send_lat', { kind: 'UD', size: 64 }],
    ['ib_write_bw', { queuePairs: 3, size: 1 }],
    ['ib_write_bw', { kind: 'UC', size: 5000 }],
    ['ib_write_lat', { kind: 'UC', size: 1 }],
    ['ib_read_bw', { pathMtu: 256, size: 100_000 }],
    ['ib_atomic_bw', { atomic: 'cmp-swap', iterations: 100 }],
    ['ibv_srq_pingpong', { queuePairs: 3, size: 1, iterations: 50 }],
    ['rping', { size: 20_000, iterations: 60 }],
  ];
  it.each(variants)('%s with %o', async (name, options) => {
    const reports = await both({ tool: tool(name), iterations: 20, ...options });
    expect(reports.every(({ ok }) => ok)).toBe(true);
  });

  it('two of a hundred packets lost, each way (seed 5): all data is right all the same', async () => {
    const lossy = await openDevice({ transport: 'roce', address: LOSSY, seed: 5, faults: { drop: 0.02, seed: 5 } });
    try {
      for (const name of ['ibv_rc_pingpong', 'ib_write_bw', 'ib_read_bw', 'ib_send_bw', 'ib_atomic_bw', 'rping']) {
        const size = name === 'ib_atomic_bw' ? 8 : 3001;
        const reports = await both({ tool: tool(name), iterations: 50, size, timeout: 12 }, {}, lossy);
        expect(
          reports.every(({ ok }) => ok),
          name,
        ).toBe(true);
      }
      expect(lossy.counters()['wire_fault_dropped']).toBeGreaterThan(5);
    } finally {
      await lossy.close();
    }
  });
});

describe('what does not fit is explained', () => {
  it('another size on the other side', async () => {
    const text = await failure(both({ tool: tool('ib_send_lat'), size: 64, iterations: 5 }, { size: 65 }));
    expect(text).toMatch(/^EIO/);
    expect(text).toContain('size');
  });

  it('fewer messages than the server waits for: it says how far it got', async () => {
    const call = both({ tool: tool('ib_send_bw'), size: 64, iterations: 30, patienceMs: 500 }, { iterations: 20 });
    expect(await failure(call)).toMatch(/ETIMEDOUT.*after 20 of 30 messages/s);
  });

  it('nobody there, and nobody coming', async () => {
    const port = nextPort();
    const nobody = runStandIn(client, { tool: tool('ib_read_bw'), host: SERVER, port });
    expect(await failure(nobody)).toMatch(/^ECONNREFUSED.*start the tool there first/s);
    const alone = runStandIn(server, { tool: tool('ib_read_bw'), port, waitMs: 20 });
    expect(await failure(alone)).toMatch(/^ETIMEDOUT.*nobody connected/s);
  });

  it('a device that does not speak RoCEv2', async () => {
    const device = await openDevice({ address: LOSSY });
    try {
      expect(await failure(runStandIn(device, { tool: tool('rping') }))).toMatch(/^EOPNOTSUPP.*'roce'/s);
    } finally {
      await device.close();
    }
  });

  const impossible: [string, Partial<StandInRequest>, RegExp][] = [
    ['ib_read_bw', { kind: 'UC' }, /no UC queue pairs/],
    ['ibv_ud_pingpong', { size: 5000 }, /do not fit one datagram/],
    ['ibv_rc_pingpong', { manager: true }, /no connection manager/],
    ['rping', { manager: false }, /needs the connection manager/],
    ['ib_atomic_lat', { size: 16 }, /8 bytes/],
    ['ib_write_bw', { bothWays: true }, /both ways/],
    ['ib_send_bw', { kind: 'UD', size: 64, manager: true }, /UD queue pairs by the connection manager/],
    ['ibv_rc_pingpong', { queuePairs: 2 }, /one queue pair/],
  ];
  it.each(impossible)('%s %o', async (name, options, reason) => {
    const text = await failure(runStandIn(server, { tool: tool(name), ...options }));
    expect(text).toMatch(/^EINVAL/);
    expect(text).toMatch(reason);
  });
});

function nextPort(): number {
  port++;
  return port;
}

let port = 21_000 + (process.pid % 500) * 60;
const SERVER = '127.0.0.81';
const CLIENT = '127.0.0.82';
const LOSSY = '127.0.0.83';
