/** `npm run interop:linux`: a Linux guest under QEMU, its RDMA tools against our device, and a table of what came of it. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Guest } from './guest.ts';
import { buildInitramfs } from './initramfs.ts';
import { createTap, enterNetwork, guestAddress, HOST, setTapMtu } from './network.ts';
import { fetchSoftware, type GuestSoftware, packageVersion } from './packages.ts';
import { PacketFile } from './packet-file.ts';
import { startStandIn } from './peers/stand-in-peer.ts';
import { recordReference } from './reference.ts';
import { playRow, type RowResult } from './row.ts';
import { interopScenarios, type Scenario, selfTestScenarios } from './scenarios.ts';
import { Unavailable } from './unavailable.ts';

const HELP = `usage: npm run interop:linux -- [options]

Runs the RDMA tools of a Linux guest (Soft-RoCE, under QEMU) against the device of this project. Needs Debian 12 on
amd64, unshare, ip and /dev/net/tun; fetches Debian packages once and installs nothing. Root is not needed where users may
make namespaces and open /dev/net/tun.

  --only PATTERN      only rows whose name matches this regular expression
  --list              print the rows and their commands in the guest, and end
  --self-test         the guest against itself instead: shows that the guest is sound
  --reference FOLDER  record the tools of one guest against those of another, one pcap file for each use
  --keep              keep the captures of earlier runs; else only those of this run stay
  --limit MINUTES     end after this time, with a failure if rows were not reached (default 25)
  --seed NUMBER       for losses (default 1)

Captures of all rows: interop/linux/.captures. Exit status 0: no row failed. Example:

  npm run interop:linux -- --only 'ibv_rc_pingpong.*guest server'
`;

interface Options {
  readonly only: RegExp;
  readonly keep: boolean;
  readonly selfTest: boolean;
  readonly limitMs: number;
  readonly seed: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      list: { type: 'boolean', default: false },
      'self-test': { type: 'boolean', default: false },
      reference: { type: 'string' },
      keep: { type: 'boolean', default: false },
      limit: { type: 'string', default: '25' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const options: Options = {
    only: new RegExp(values.only),
    keep: values.keep,
    selfTest: values['self-test'],
    limitMs: positive('limit', values.limit) * 60_000,
    seed: positive('seed', values.seed),
  };
  const scenarios = (options.selfTest ? selfTestScenarios() : interopScenarios()).filter(({ name }) =>
    options.only.test(name),
  );
  if (values.list) {
    for (const scenario of scenarios) console.log(`${scenario.name.padEnd(NAME_WIDTH)} ${guestCommand(scenario)}`);
    return 0;
  }
  if (scenarios.length === 0 && values.reference === undefined) throw new Error(`no row matches ${values.only}`);
  // Before the namespace is entered: there is no way out of it.
  const software = await fetchSoftware(CACHE, console.log);
  const initramfs = await buildInitramfs(software, CACHE, console.log);
  const status = await enterNetwork();
  if (status !== undefined) return status;
  if (values.reference !== undefined) {
    return (await recordReference(software, CACHE, values.reference, options.only, console.log)) === 0 ? 0 : 1;
  }
  return new Run(software, initramfs, options).play(scenarios);
}

class Run {
  readonly #software: GuestSoftware;
  readonly #initramfs: string;
  readonly #options: Options;
  readonly #packets = new PacketFile(join(CAPTURES, 'all.pcap'));
  #guest: Guest | undefined;
  #netMtuBytes = 0;
  #stopped: string | undefined;

  constructor(software: GuestSoftware, initramfs: string, options: Options) {
    this.#software = software;
    this.#initramfs = initramfs;
    this.#options = options;
  }

  async play(scenarios: readonly Scenario[]): Promise<number> {
    if (!this.#options.keep) await rm(CAPTURES, { recursive: true, force: true });
    await mkdir(CAPTURES, { recursive: true });
    await createTap(TAP, FIRST_MTU);
    const began = performance.now();
    const stop = (why: string) => () => {
      this.#stopped ??= why;
      void this.#guest?.kill();
    };
    const timer = setTimeout(stop('the time limit of the run was reached'), this.#options.limitMs);
    const onSignal = stop('interrupted');
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
    const counts = { pass: 0, fail: 0, skip: 0 };
    try {
      await this.#aliveGuest();
      for (const scenario of scenarios) {
        if (this.#stopped !== undefined) break;
        const from = performance.now();
        const result = await this.#row(scenario);
        counts[result.outcome] += 1;
        const seconds = ((performance.now() - from) / 1000).toFixed(1);
        console.log(
          `${result.outcome}  ${scenario.name.padEnd(NAME_WIDTH)} ${seconds.padStart(5)} s  ${result.note}`.trimEnd(),
        );
        if (result.details !== '') console.log(indent(result.details));
      }
    } finally {
      clearTimeout(timer);
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      await this.#guest?.powerOff();
      await rm(this.#packets.path, { force: true });
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    const missed = scenarios.length - counts.pass - counts.fail - counts.skip;
    if (missed > 0) console.log(`${missed} rows were not run: ${this.#stopped}`);
    console.log(`\n${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped in ${seconds} s`);
    console.log(`Linux ${this.#software.kernelRelease}, ${versions(this.#software)}; captures in ${CAPTURES}`);
    return counts.fail === 0 && missed === 0 ? 0 : 1;
  }

  async #row(scenario: Scenario): Promise<RowResult> {
    const guest = await this.#aliveGuest();
    await this.#setMtu(guest, scenario.netMtuBytes);
    const from = await this.#packets.mark();
    const place = { own: HOST, guest: guest.address, interface: TAP, seed: this.#options.seed };
    const result = await playRow(scenario, guest, place, startStandIn);
    if (this.#stopped !== undefined) return { outcome: 'fail', note: this.#stopped, details: '' };
    if (result.outcome === 'skip') return result;
    const capture = join(CAPTURES, `${scenario.name.replace(/[^\w.-]+/g, '_')}.pcap`);
    await this.#packets.cut(from, capture);
    if (result.outcome === 'pass') return result;
    const kernel = guest.alive ? await guest.dmesg(10) : `the guest ended; its console:\n${await guest.consoleText()}`;
    const details = `capture: ${capture}\ncommand: ${guestCommand(scenario)}\n${result.details}\nkernel of the guest:\n${kernel}`;
    return { ...result, details };
  }

  /** The guest; a new one if the former has died, which a kernel under test may. */
  async #aliveGuest(): Promise<Guest> {
    if (this.#guest?.alive) return this.#guest;
    await this.#guest?.kill();
    const began = performance.now();
    this.#guest = await Guest.boot({
      emulator: this.#software.emulator,
      kernel: this.#software.kernel,
      initramfs: this.#initramfs,
      index: 0,
      network: `tap,id=net0,ifname=${TAP},script=no,downscript=no,vnet_hdr=off`,
      capture: this.#packets.path,
    });
    this.#netMtuBytes = FIRST_MTU;
    await setTapMtu(TAP, FIRST_MTU);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`guest is up after ${seconds} s: ${(await this.#guest.rdmaLink()).trim()}`);
    return this.#guest;
  }

  async #setMtu(guest: Guest, mtuBytes: number): Promise<void> {
    if (this.#netMtuBytes === mtuBytes) return;
    await setTapMtu(TAP, mtuBytes);
    const { status, output } = await guest.setMtu(mtuBytes);
    if (status !== 0) throw new Error(`MTU ${mtuBytes} of the guest: ${output.trim()}`);
    this.#netMtuBytes = mtuBytes;
  }
}

function guestCommand({ tool, role, ipv6 }: Scenario): string {
  const [own, guest] = ipv6 ? [HOST.ipv6, guestAddress(0).ipv6] : [HOST.ipv4, guestAddress(0).ipv4];
  if (role === 'guest client') return tool.client(own);
  return role === 'guest server' ? tool.server(guest) : `${tool.server(guest)} & ${tool.client(guest)}`;
}

function versions(software: GuestSoftware): string {
  return ['perftest', 'ibverbs-utils', 'rdmacm-utils']
    .map((name) => `${name} ${packageVersion(software, name)}`)
    .join(', ');
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} wants a positive number, not ${text}`);
  return value;
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `      ${line.slice(0, 300)}`)
    .join('\n');
}

const FOLDER = fileURLToPath(new URL('../../linux/', import.meta.url));
const CACHE = join(FOLDER, '.cache');
const CAPTURES = join(FOLDER, '.captures');
const TAP = 'tap0';
const FIRST_MTU = 1500;
const NAME_WIDTH = 48;

try {
  process.exitCode = await main();
} catch (error) {
  const { message } = error as Error;
  console.error(error instanceof Unavailable ? `interop:linux skipped: ${message}` : `interop:linux: ${message}`);
  process.exitCode = 1;
}
