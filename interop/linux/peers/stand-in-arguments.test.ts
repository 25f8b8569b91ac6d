import { describe, expect, it } from 'vitest';
import { interopScenarios } from '../scenarios.ts';
import { standInArguments } from './stand-in-arguments.ts';

const place = {
  own: { ipv4: '192.168.77.1', ipv6: 'fd77::1' },
  guest: { ipv4: '192.168.77.2', ipv6: 'fd77::2' },
  interface: 'tap0',
  seed: 7,
};

function argumentsOf(name: string): string {
  const scenario = interopScenarios().find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`there is no row '${name}'`);
  return standInArguments(scenario, place).join(' ');
}

describe('our side is told what the guest is told', () => {
  const rows: [string, string][] = [
    [
      'ibv_rc_pingpong, guest client',
      'stand-in ibv_rc_pingpong --json -n 20 -u 16 --listen 192.168.77.1 -s 3001 -m 1024',
    ],
    [
      'ibv_rc_pingpong IPv6, guest client',
      'stand-in ibv_rc_pingpong --json -n 20 -u 16 --listen fd77::1 --exchange 192.168.77.1 -s 3001 -m 1024',
    ],
    [
      'ib_send_bw-R, guest server',
      'stand-in ib_send_bw --json -n 20 -u 16 192.168.77.2 --from 192.168.77.1 -m 1024 -s 3001 -R',
    ],
    [
      'ib_send_bw-UD, guest client',
      'stand-in ib_send_bw --json -n 20 -u 16 --listen 192.168.77.1 -m 1024 -s 1000 -c UD',
    ],
    [
      'ib_atomic_bw compare and swap, guest server',
      'stand-in ib_atomic_bw --json -n 20 -u 16 192.168.77.2 --from 192.168.77.1 -m 1024 -A CMP_AND_SWAP',
    ],
    ['rping IPv6, guest server', 'stand-in rping --json -n 20 -u 16 fd77::2 --from fd77::1 -s 3001'],
    [
      'rping with loss, guest client',
      'stand-in rping --json -n 20 -u 16 --listen 192.168.77.1 -s 3001 --drop 2% --seed 7',
    ],
  ];
  it.each(rows)('%s', (name, line) => expect(argumentsOf(name)).toBe(line));

  it('each row has a stand-in', () => {
    for (const scenario of interopScenarios()) expect(standInArguments(scenario, place)[1]).toMatch(/^(ibv?_|rping)/);
  });
});
