/** A Linux guest with a Soft-RoCE device, under QEMU: boot it, run commands in it, power it off. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentEvent, AgentReader, killRequest, runRequest } from './agent.ts';
import { guestAddress } from './network.ts';
import type { Emulator } from './packages.ts';

export interface GuestOptions {
  readonly emulator: Emulator;
  readonly kernel: string;
  readonly initramfs: string;
  /** Number of the guest on its network, from 0: it decides the addresses. */
  readonly index: number;
  /** QEMU's network back end with `id=net0`, such as `tap,id=net0,ifname=tap0,script=no,downscript=no`. */
  readonly network: string;
  /** File for all packets that the guest sends and receives, in pcap form. */
  readonly capture?: string;
  /** Limit from start to an active device. Default 120 s. */
  readonly bootTimeoutMs?: number;
}

export interface CommandResult {
  /** As a shell tells it; -1 when the command had not ended within its time, or the guest went away. */
  readonly status: number;
  /** Standard output and standard error, mixed; cut at 1 MiB. */
  readonly output: string;
}

/** A command that runs in the guest. */
export interface Running {
  /** What it has written so far. */
  readonly output: string;
  /** Its end. Never rejects. */
  readonly finished: Promise<CommandResult>;
  /** Signals it and all that it started. */
  kill(signal?: 'TERM' | 'INT' | 'KILL'): void;
}

/** See the module comment. Everything it does is limited in time. */
export class Guest {
  readonly index: number;
  readonly address: { readonly ipv4: string; readonly ipv6: string };
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  readonly #folder: string;
  readonly #commands = new Map<number, Command>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  #ready: (() => void) | undefined;
  readonly #isReady = new Promise<void>((resolve) => {
    this.#ready = resolve;
  });

  /**
   * Starts a guest and waits for its device.
   *
   * @throws Error with what the guest said last, when it does not come up in time
   */
  static async boot(options: GuestOptions): Promise<Guest> {
    const timeoutMs = options.bootTimeoutMs ?? 120_000;
    const folder = await mkdtemp(join(tmpdir(), 'verbena-guest-'));
    const server = createServer();
    const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(join(folder, 'agent'), resolve);
      });
      const child = startQemu(options, folder);
      let complaint = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        complaint = (complaint + text).slice(-2000);
      });
      const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
      child.once('error', (error) => {
        complaint = error.message;
      });
      const socket = await Promise.race([connected, exited.then(() => undefined), delay(20_000)]);
      if (socket === undefined) {
        child.kill('SIGKILL');
        await exited;
        throw new Error(`${options.emulator.file} did not start: ${complaint.trim() || 'no reason given'}`);
      }
      const guest = new Guest(options.index, child, socket, folder, exited);
      try {
        await guest.#comeUp(timeoutMs);
      } catch (error) {
        const console = await guest.consoleText();
        await guest.kill();
        throw new Error(`guest ${options.index} did not come up: ${(error as Error).message}\n${console.slice(-2000)}`);
      }
      return guest;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    } finally {
      server.close();
    }
  }

  private constructor(index: number, child: ChildProcess, socket: Socket, folder: string, exited: Promise<void>) {
    this.index = index;
    this.address = guestAddress(index);
    this.#process = child;
    this.#socket = socket;
    this.#folder = folder;
    this.#exited = exited;
    const reader = new AgentReader();
    socket.on('data', (chunk: Uint8Array) => {
      for (const event of reader.push(chunk)) this.#take(event);
    });
    socket.on('error', () => {});
    void exited.then(() => this.#abandon('the guest ended'));
  }

  /** Whether its machine still runs. */
  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Runs `command` to its end; at the limit it is killed and the status is -1. Default limit 30 s. */
  async run(command: string, options: { readonly timeoutMs?: number } = {}): Promise<CommandResult> {
    const { timeoutMs = 30_000 } = options;
    const running = this.start(command);
    const timeout = delay(timeoutMs);
    const result = await Promise.race([running.finished, timeout]);
    timeout.cancel();
    if (result !== undefined) return result;
    running.kill('KILL');
    const grace = delay(2000);
    await Promise.race([running.finished, grace]);
    grace.cancel();
    return { status: -1, output: `${running.output}(killed: not done after ${timeoutMs / 1000} s)\n` };
  }

  /**
   * Starts `command`, one line for the guest's shell, and lets it run.
   *
   * @throws RangeError for a command of several lines
   */
  start(command: string): Running {
    const id = ++this.#lastId;
    const request = runRequest(id, command);
    const running = new Command((signal) => {
      if (this.#commands.has(id)) this.#socket.write(killRequest(id, signal));
    });
    if (!this.alive) {
      running.end({ status: -1, output: 'the guest ended' });
      return running;
    }
    this.#commands.set(id, running);
    this.#socket.write(request);
    return running;
  }

  /** Waits until something in the guest listens on a TCP port; answers whether that came in time. */
  async waitForListener(port: number, timeoutMs = 15_000): Promise<boolean> {
    const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
    // State 0A is LISTEN. ls and grep in a loop would cost more than the tool that is waited for.
    const look = `grep -q ":${hexPort} [0-9A-F:]* 0A " /proc/net/tcp /proc/net/tcp6`;
    const { status } = await this.run(`until ${look}; do sleep 0.1; done`, { timeoutMs });
    return status === 0;
  }

  /** Waits until something in the guest listens with the connection manager; answers whether that came in time. */
  async waitForConnectionManager(timeoutMs = 15_000): Promise<boolean> {
    const look = 'rdma resource show cm_id | grep -q "state LISTEN"';
    // The state is told a moment before requests are answered; one that comes between is rejected.
    const { status } = await this.run(`until ${look}; do sleep 0.1; done; sleep 0.4`, { timeoutMs });
    return status === 0;
  }

  /** Drops this share of what the guest sends, at random; 0 ends it. */
  async setLoss(percent: number): Promise<CommandResult> {
    const remove = '/sbin/tc qdisc del dev eth0 root 2>/dev/null';
    return this.run(
      percent === 0 ? `${remove}; true` : `${remove}; /sbin/tc qdisc add dev eth0 root netem loss ${percent}%`,
    );
  }

  /** Sets the MTU of the network device; the RDMA device takes the largest path MTU that fits. */
  async setMtu(mtuBytes: number): Promise<CommandResult> {
    return this.run(`/bin/ip link set eth0 mtu ${mtuBytes} && ibv_devinfo -d rxe0 | grep active_mtu`);
  }

  /** State of the RDMA links, as `rdma link` prints it. */
  async rdmaLink(): Promise<string> {
    return (await this.run('rdma link')).output;
  }

  /** The last lines of the kernel's log. */
  async dmesg(lines = 40): Promise<string> {
    return (await this.run(`dmesg | tail -n ${lines}`)).output;
  }

  /** What came over the console so far: complaints of the kernel and of the first program. */
  async consoleText(): Promise<string> {
    return readFile(join(this.#folder, 'console'), 'utf8').catch(() => '');
  }

  /** Powers the guest off and waits; kills it if that takes more than 5 s. */
  async powerOff(): Promise<void> {
    // The agent ends with its input, and the guest with the agent.
    this.start('poweroff -f');
    const timeout = delay(5000);
    await Promise.race([this.#exited, timeout]);
    timeout.cancel();
    await this.kill();
  }

  /** Ends the guest at once and removes its files. */
  async kill(): Promise<void> {
    if (this.alive) this.#process.kill('SIGKILL');
    await this.#exited;
    this.#socket.destroy();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #comeUp(timeoutMs: number): Promise<void> {
    const limit = delay(timeoutMs);
    const agent = await Promise.race([this.#isReady.then(() => 'ready'), this.#exited.then(() => 'ended'), limit]);
    limit.cancel();
    if (agent !== 'ready') throw new Error(agent ?? `its agent is silent after ${timeoutMs / 1000} s`);
    const { ipv4, ipv6 } = this.address;
    // By its path: busybox's shell prefers its own, smaller ip.
    const steps = [
      '/bin/ip link set lo up',
      'echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad',
      `/bin/ip address add ${ipv4}/24 dev eth0`,
      `/bin/ip address add ${ipv6}/64 dev eth0 nodad`,
      '/bin/ip link set eth0 up',
      'rdma link add rxe0 type rxe netdev eth0',
      'until rdma link show rxe0/1 | grep -q "state ACTIVE"; do sleep 0.1; done',
    ];
    const { status, output } = await this.run(steps.join(' && '), { timeoutMs });
    if (status !== 0) throw new Error(`setting it up ended with ${status}: ${output.trim()}`);
  }

  #take(event: AgentEvent): void {
    if (event.kind === 'ready') {
      this.#ready?.();
      return;
    }
    const command = this.#commands.get(event.id);
    if (command === undefined) return;
    if (event.kind === 'output') command.add(event.text);
    else {
      this.#commands.delete(event.id);
      command.end({ status: event.status, output: command.output });
    }
  }

  #abandon(why: string): void {
    for (const command of this.#commands.values()) {
      command.end({ status: -1, output: `${command.output}(${why})\n` });
    }
    this.#commands.clear();
  }
}

class Command implements Running {
  output = '';
  readonly finished: Promise<CommandResult>;
  readonly #kill: (signal: 'TERM' | 'INT' | 'KILL') => void;
  #resolve: ((result: CommandResult) => void) | undefined;

  constructor(kill: (signal: 'TERM' | 'INT' | 'KILL') => void) {
    this.#kill = kill;
    this.finished = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  kill(signal: 'TERM' | 'INT' | 'KILL' = 'TERM'): void {
    this.#kill(signal);
  }

  add(text: string): void {
    if (this.output.length < MAX_OUTPUT) this.output += text;
  }

  end(result: CommandResult): void {
    this.#resolve?.(result);
  }
}

function startQemu(options: GuestOptions, folder: string): ChildProcess {
  const { emulator, index } = options;
  const dump =
    options.capture === undefined ? [] : ['-object', `filter-dump,id=dump0,netdev=net0,file=${options.capture}`];
  const args = [
    ...emulator.options,
    '-nodefaults',
    '-no-user-config',
    ...['-machine', 'pc', '-accel', 'kvm', '-accel', 'tcg', '-m', '1024', '-smp', '1'],
    ...['-display', 'none', '-no-reboot'],
    ...['-kernel', options.kernel, '-initrd', options.initramfs],
    ...['-append', 'console=ttyS0 quiet panic=1'],
    ...['-serial', `file:${join(folder, 'console')}`],
    ...['-chardev', `socket,id=agent,path=${join(folder, 'agent')}`],
    ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=agent'],
    ...['-netdev', options.network],
    // Without an option ROM: nobody boots from this network.
    ...['-device', `virtio-net-pci,netdev=net0,mac=52:54:00:77:00:0${index + 2},romfile=`],
    ...dump,
  ];
  return spawn(emulator.file, args, { env: { ...process.env, ...emulator.env }, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Resolves with nothing after a time; `cancel` leaves no timer behind. */
function delay(milliseconds: number): Promise<undefined> & { cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  return Object.assign(promise, { cancel: () => clearTimeout(timer) });
}

const MAX_OUTPUT = 1 << 20;
