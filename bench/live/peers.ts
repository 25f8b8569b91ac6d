/** Peers to compare with: Debian's `fi_pingpong` (package libfabric-bin) over its UDP and TCP providers. */
import { spawnSync } from 'node:child_process';
import { start, waitForExit } from './processes.ts';

export interface PeerResult {
  readonly bytes_per_s: number;
  /** One way, as fi_pingpong counts a transfer. */
  readonly latency_us: number;
}

export const PROVIDERS = ['udp;ofi_rxd', 'tcp', 'tcp;ofi_rxm'] as const;

/** The version line of fi_pingpong's library; undefined when it is not installed. */
export function libfabricVersion(): string | undefined {
  const info = spawnSync('fi_info', ['--version'], { encoding: 'utf8' });
  return info.status === 0
    ? info.stdout
        .split('\n')
        .find((line) => line.startsWith('libfabric:'))
        ?.trim()
    : undefined;
}

/** Runs one ping-pong between two processes. @returns undefined when the provider cannot be had */
export async function pingpong(
  provider: string,
  size: number,
  iterations: number,
  port: number,
): Promise<PeerResult | undefined> {
  const shared = ['-p', provider, '-e', 'rdm', '-S', String(size), '-I', String(iterations)];
  const server = start('fi_pingpong', ['-B', String(port), ...shared], 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const client = start('fi_pingpong', ['-P', String(port), ...shared, '127.0.0.1'], 1);
  const code = await waitForExit(client, 60_000);
  await waitForExit(server, 2_000);
  if (code !== 0) return undefined;
  // bytes #sent #ack total time MB/sec usec/xfer Mxfers/sec; MB is 10^6
  const row = client.output
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((cells) => cells.length === 8 && /^\d/.test(cells[0]!));
  if (row === undefined) return undefined;
  return { bytes_per_s: Number(row[5]) * 1e6, latency_us: Number(row[6]) };
}
