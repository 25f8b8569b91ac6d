/** What `verbena stand-in` is told so that it fits the guest's tool. */
import type { PeerPlace } from '../local-peer.ts';
import type { Scenario } from '../scenarios.ts';

/** The command line behind `verbena`. The guest's own command says what both sides have to agree on. */
export function standInArguments(scenario: Scenario, place: PeerPlace): string[] {
  const { tool, settings, role, ipv6, lossPercent } = scenario;
  const words = tool.server('').split(/\s+/);
  const program = words[0]!;
  const isClient = role === 'guest server';
  const hasIpv6Device = ipv6 || settings.gidIndex === 2;
  const device = hasIpv6Device ? place.own.ipv6 : place.own.ipv4;
  const args = ['stand-in', program, '--json', '-n', String(settings.count), '-u', TIMEOUT];
  if (isClient) args.push(ipv6 ? place.guest.ipv6 : place.guest.ipv4, '--from', device);
  else {
    args.push('--listen', device);
    // The tools meet by IPv4 also where their queue pairs have IPv6 addresses.
    if (hasIpv6Device && !ipv6) args.push('--exchange', place.own.ipv4);
  }
  if (program === 'rping') args.push('-s', String(settings.sizeBytes));
  else args.push(...shared(words, program.startsWith('ibv_') ? PINGPONG_OPTIONS : PERFTEST_OPTIONS));
  if (lossPercent > 0) args.push('--drop', `${lossPercent}%`, '--seed', String(place.seed));
  return args;
}

/** Options of a tool that the stand-in has too, by the same letter. */
function shared(words: readonly string[], options: Readonly<Record<string, boolean>>): string[] {
  return words.flatMap((word, i) => {
    const hasValue = options[word];
    if (hasValue === undefined) return [];
    return hasValue ? [word, words[i + 1]!] : [word];
  });
}

/** Letters, and whether a value follows. */
const PINGPONG_OPTIONS: Readonly<Record<string, boolean>> = { '-s': true, '-m': true, '-q': true };
const PERFTEST_OPTIONS: Readonly<Record<string, boolean>> = {
  ...{ '-s': true, '-m': true, '-q': true, '-c': true, '-A': true },
  ...{ '-R': false, '-b': false },
};
/** A quarter of a second: the guest is slow. */
const TIMEOUT = '16';
