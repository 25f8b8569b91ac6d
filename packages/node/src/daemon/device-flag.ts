/** Devices on a command line: `uet0=127.0.0.1,type=uet,port=4793,gid=127.0.0.1:loop`. */
import { VerbsError } from '@verbena/core';
import { type DeviceSpec, parseDeviceSpec } from './config.ts';

/** @throws VerbsError EINVAL what is wrong */
export function parseDeviceFlag(text: string): DeviceSpec {
  const [first = '', ...rest] = text.split(',');
  const { key: name, value: address } = pair(first, text);
  const spec: Record<string, unknown> = { name, address };
  const gids: unknown[] = [];
  for (const word of rest) {
    const { key, value } = pair(word, text);
    if (key === 'gid') gids.push(gidOf(value, text));
    else if (NUMBERS.has(key)) spec[key] = Number(value);
    else if (WORDS.has(key)) spec[key] = value;
    else throw wrong(text, `there is no '${key}'`);
  }
  if (gids.length > 0) spec.gids = gids;
  return parseDeviceSpec(spec, `device '${name}'`);
}

/** `ADDRESS:TYPE`, IPv6 in brackets or not: the type follows the last colon. */
function gidOf(value: string, text: string): { readonly address: string; readonly type: string } {
  const at = value.lastIndexOf(':');
  if (at < 1) throw wrong(text, `'${value}' is no address entry`);
  return { address: bare(value.slice(0, at)), type: value.slice(at + 1) };
}

function pair(word: string, text: string): { readonly key: string; readonly value: string } {
  const at = word.indexOf('=');
  if (at < 1 || at === word.length - 1) throw wrong(text, `'${word}' says nothing`);
  return { key: word.slice(0, at), value: bare(word.slice(at + 1)) };
}

const bare = (address: string): string => address.replace(/^\[(.*)\]$/, '$1');

function wrong(text: string, problem: string): VerbsError {
  return new VerbsError('EINVAL', 'device', problem, {
    given: text.slice(0, 200),
    try: 'NAME=ADDRESS[,type=TRANSPORT][,encapsulation=udp|ip][,port=N][,mtu=BYTES][,io=LEVEL][,gid=ADDRESS:TYPE]...',
  });
}

const NUMBERS = new Set(['port', 'mtu', 'linkMtu', 'ipProtocol', 'entropies', 'seed', 'captureLimitBytes']);
const WORDS = new Set(['type', 'encapsulation', 'io', 'capture']);
