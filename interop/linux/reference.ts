/**
 * Records what Linux says to Linux: two guests on one wire run each tool against each other, and every use of a tool
 * becomes a small capture file. They are the ground truth for headers, ICRC, connection set-up and address exchange.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Guest } from './guest.ts';
import { buildInitramfs } from './initramfs.ts';
import { type GuestSoftware, packageVersion } from './packages.ts';
import { PacketFile } from './packet-file.ts';
import { perf, pingpong, rdmaClientServer, rping, type Tool, ucmatose, udaddy } from './tools.ts';

/** Records into `folder`, one pcap file for each use and a README; answers how many uses failed. */
export async function recordReference(
  software: GuestSoftware,
  cache: string,
  folder: string,
  only: RegExp,
  log: (line: string) => void,
): Promise<number> {
  await mkdir(folder, { recursive: true });
  const initramfs = await buildInitramfs(software, cache, log);
  const { emulator, kernel } = software;
  const all = join(cache, `reference-${process.pid}.pcap`);
  const guest = (index: number, network: string, capture?: string) =>
    Guest.boot({ emulator, kernel, initramfs, index, network, ...(capture === undefined ? {} : { capture }) });
  // A socket back end offloads no checksums, so the packets on it are as on a real wire.
  const server = await guest(1, `socket,id=net0,listen=127.0.0.1:${WIRE_PORT}`);
  const notes: string[] = [];
  let failures = 0;
  try {
    const client = await guest(0, `socket,id=net0,connect=127.0.0.1:${WIRE_PORT}`, all);
    const packets = new PacketFile(all);
    try {
      await client.run(`ping -c 1 ${server.address.ipv4}; ping -c 1 ${server.address.ipv6}`);
      for (const row of ROWS) {
        const name = `${row.tool.name}${row.suffix ?? ''}`;
        if (!only.test(name)) continue;
        let from = await packets.mark();
        let { ok, note } = await record(row, client, server);
        for (let attempt = 1; !ok && attempt < MAX_ATTEMPTS; attempt++) {
          from = await packets.mark();
          ({ ok, note } = await record(row, client, server));
        }
        const bytes = await packets.cut(from, join(folder, `${name}.pcap`));
        if (!ok) failures += 1;
        log(`${ok ? 'ok  ' : 'FAIL'} ${name} ${bytes} bytes`);
        if (!ok) log(note.slice(0, 1500));
        const address = serverAddress(row, server);
        notes.push(
          `- \`${name}.pcap\`: client \`${row.tool.client(address)}\`, server \`${row.tool.server(address)}\`${
            row.netMtuBytes === undefined ? '' : `, network MTU ${row.netMtuBytes}`
          }${row.lossPercent === undefined ? '' : `, each side loses ${row.lossPercent} %`}${
            row.refused === true ? ', no server running' : ''
          }${ok ? '' : ` **FAILED**: ${note.trim().replaceAll('\n', ' / ').slice(0, 400)}`}`,
        );
      }
    } finally {
      await client.powerOff();
    }
  } finally {
    await server.powerOff();
    await rm(all, { force: true });
    const versions = ['perftest', 'ibverbs-utils', 'rdmacm-utils', 'libibverbs1']
      .map((name) => `${name} ${packageVersion(software, name)}`)
      .join(', ');
    const head = `# rxe against rxe

Linux ${software.kernelRelease}, ${versions}. Client 192.168.77.2 (fd77::2), server 192.168.77.3 (fd77::3).
Both sides are Soft-RoCE in a guest; captured at the client, with complete checksums.
`;
    await writeFile(join(folder, 'README.md'), `${head}\n${notes.join('\n')}\n`);
  }
  return failures;
}

interface Row {
  readonly tool: Tool;
  readonly suffix?: string;
  /** The connection manager meets over IPv6. TCP cannot: the tools listen on IPv4 only, and take a GID by index. */
  readonly ipv6?: boolean;
  /** MTU of the network device, where it is not 1500. */
  readonly netMtuBytes?: number;
  /** Share of packets that each side loses as it sends. */
  readonly lossPercent?: number;
  /** Nobody waits, and the client is expected to fail. */
  readonly refused?: boolean;
}

function serverAddress(row: Row, server: Guest): string {
  return row.ipv6 === true ? server.address.ipv6 : server.address.ipv4;
}

async function record(row: Row, client: Guest, server: Guest): Promise<{ ok: boolean; note: string }> {
  const mtuBytes = row.netMtuBytes ?? 1500;
  for (const side of [client, server]) {
    const set = await side.setMtu(mtuBytes);
    if (set.status !== 0) return { ok: false, note: `MTU: ${set.output}` };
  }
  const address = serverAddress(row, server);
  if (row.refused === true) {
    const { status, output } = await client.run(row.tool.client(address));
    return { ok: status !== 0, note: `client ${status}: ${output}` };
  }
  const waiting = server.start(row.tool.server(address));
  const { meeting } = row.tool;
  const listens =
    meeting.kind === 'tcp' ? await server.waitForListener(meeting.port) : await server.waitForConnectionManager();
  for (const side of [client, server]) await side.setLoss(row.lossPercent ?? 0);
  const began = listens ? await client.run(row.tool.client(address), { timeoutMs: 40_000 }) : undefined;
  if (began === undefined || began.status !== 0) waiting.kill('INT');
  const timer = setTimeout(() => waiting.kill('KILL'), 8000);
  const ended = await waiting.finished;
  clearTimeout(timer);
  const ok = began?.status === 0 && ended.status === 0;
  return {
    ok,
    note: `client ${began?.status ?? 'not started: the server does not listen'}: ${began?.output ?? ''}\nserver ${ended.status}: ${ended.output}`,
  };
}

const WIRE_PORT = 18077;
/** perftest's `-R` may lose a race of its own: its client asks for the second connection before its server listens again. */
const MAX_ATTEMPTS = 5;
const PLAIN = { count: 5, sizeBytes: 3001, mtuBytes: 1024, gidIndex: 1 };
const SHORT = { ...PLAIN, sizeBytes: 64 };
const V6 = { ...PLAIN, gidIndex: 2 };
const LARGE = { ...PLAIN, sizeBytes: 10_000, mtuBytes: 4096 };

const ROWS: readonly Row[] = [
  { tool: pingpong('rc', PLAIN, ' -c') },
  { tool: pingpong('uc', PLAIN, ' -c') },
  { tool: pingpong('ud', { ...PLAIN, sizeBytes: 1000 }, ' -c') },
  { tool: pingpong('srq', PLAIN, ' -c') },
  ...(['ib_write', 'ib_read', 'ib_send', 'ib_atomic'] as const).flatMap((verb): Row[] => [
    { tool: perf(`${verb}_bw`, PLAIN) },
    { tool: perf(`${verb}_bw`, PLAIN, { cm: true }) },
    { tool: perf(`${verb}_lat`, SHORT) },
    { tool: perf(`${verb}_lat`, SHORT, { cm: true }) },
  ]),
  { tool: perf('ib_atomic_bw', PLAIN, { more: '-A CMP_AND_SWAP' }), suffix: '-cas' },
  { tool: perf('ib_write_bw', PLAIN, { service: 'UC' }) },
  { tool: perf('ib_write_lat', SHORT, { service: 'UC' }) },
  { tool: perf('ib_send_bw', PLAIN, { service: 'UC' }) },
  { tool: perf('ib_send_bw', { ...PLAIN, sizeBytes: 1000 }, { service: 'UD' }) },
  { tool: perf('ib_send_lat', SHORT, { service: 'UD' }) },
  { tool: perf('ib_send_bw', { ...PLAIN, sizeBytes: 1000 }, { service: 'UD', cm: true }) },
  { tool: perf('ib_send_bw', PLAIN, { more: '-b' }), suffix: '-bidirectional' },
  { tool: perf('ib_write_bw', PLAIN, { queuePairs: 2 }), suffix: '-two-qps' },
  { tool: rping({ count: 5, sizeBytes: 100 }) },
  { tool: rping({ count: 2, sizeBytes: 5000 }), suffix: '-large' },
  { tool: ucmatose(2, 3, 200) },
  { tool: udaddy(3, 200) },
  { tool: rdmaClientServer() },
  { tool: pingpong('rc', V6, ' -c'), suffix: '-ipv6' },
  { tool: pingpong('ud', { ...V6, sizeBytes: 1000 }, ' -c'), suffix: '-ipv6' },
  { tool: perf('ib_read_bw', V6), suffix: '-ipv6' },
  { tool: rping({ count: 3, sizeBytes: 100 }), suffix: '-ipv6', ipv6: true },
  { tool: pingpong('rc', LARGE, ' -c'), suffix: '-mtu4096', netMtuBytes: 4200 },
  { tool: perf('ib_write_bw', LARGE), suffix: '-mtu4096', netMtuBytes: 4200 },
  { tool: perf('ib_read_bw', LARGE), suffix: '-mtu4096', netMtuBytes: 4200 },
  { tool: perf('ib_send_bw', { ...SHORT, count: 40 }, { more: '-r 1' }), suffix: '-receiver-not-ready' },
  { tool: perf('ib_write_bw', { ...PLAIN, count: 30 }), suffix: '-loss', lossPercent: 5 },
  { tool: perf('ib_read_bw', { ...PLAIN, count: 30 }), suffix: '-loss', lossPercent: 5 },
  { tool: perf('ib_send_bw', { ...PLAIN, count: 30 }), suffix: '-loss', lossPercent: 5 },
  { tool: perf('ib_atomic_bw', { ...PLAIN, count: 100 }), suffix: '-loss', lossPercent: 5 },
  { tool: rping({ count: 20, sizeBytes: 3000 }), suffix: '-loss', lossPercent: 5 },
  { tool: rping({ count: 1, sizeBytes: 100 }), suffix: '-refused', refused: true },
];
