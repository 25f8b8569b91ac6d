/**
 * What the machine allows: a ping-pong of bare UDP sockets between two processes, one packet a system call, spinning,
 * without any protocol; and the price of a system call that does nothing.
 *
 *   npm run bench -- raw [--json]
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

const libc = koffi.load(null);
const socket = libc.func('socket', 'int', ['int', 'int', 'int']);
const bind = libc.func('bind', 'int', ['int', 'void *', 'uint32_t']);
const sendto = libc.func('sendto', 'int', ['int', 'void *', 'size_t', 'int', 'void *', 'uint32_t']);
const recv = libc.func('recv', 'int', ['int', 'void *', 'size_t', 'int']);
const close = libc.func('close', 'int', ['int']);
const getppid = libc.func('getppid', 'int', []);

const ROUNDS = 30_000;
const BYTES = 120;
const DONTWAIT = 0x40;
const PORTS = [47_931, 47_932] as const;

/** struct sockaddr_in of 127.0.0.1. */
function address(port: number): Uint8Array {
  const bytes = koffi.view(koffi.alloc('uint8_t', 64), 64);
  const view = new DataView(bytes);
  view.setUint16(0, 2, true);
  view.setUint16(2, port);
  view.setUint32(4, 0x7f00_0001);
  return new Uint8Array(bytes);
}

function open(mine: number, theirs: number) {
  const fd = socket(2, 2, 0);
  if (bind(fd, address(mine), 16) !== 0) throw new Error(`UDP port ${mine} is not free`);
  const buffer = new Uint8Array(koffi.view(koffi.alloc('uint8_t', 4096), 4096));
  const to = address(theirs);
  return {
    send: () => sendto(fd, buffer, BYTES, 0, to, 16),
    arrived: () => recv(fd, buffer, BYTES, DONTWAIT) > 0,
    close: () => close(fd),
  };
}

if (process.argv.includes('--echo')) {
  const end = open(PORTS[1], PORTS[0]);
  process.send?.('ready');
  const limit = performance.now() + 20_000;
  for (let n = 0; n < ROUNDS && performance.now() < limit; ) {
    if (!end.arrived()) continue;
    end.send();
    n++;
  }
  end.close();
  process.disconnect?.();
} else {
  const end = open(PORTS[0], PORTS[1]);
  const child = fork(fileURLToPath(import.meta.url), ['--echo']);
  await new Promise((resolve) => child.once('message', resolve));
  const times = new Float64Array(ROUNDS);
  for (let n = 0; n < ROUNDS; n++) {
    const start = performance.now();
    end.send();
    while (!end.arrived()) if (performance.now() - start > 5_000) throw new Error('the echo stopped');
    times[n] = performance.now() - start;
  }
  end.close();
  times.sort();
  const calls = 300_000;
  const start = performance.now();
  for (let n = 0; n < calls; n++) getppid();
  const result = {
    raw_udp_one_way_us: times[ROUNDS >> 1]! * 500,
    system_call_ns: ((performance.now() - start) / calls) * 1e6,
  };
  if (process.argv.includes('--json')) console.log(JSON.stringify({ bench: 'raw', node: process.version, ...result }));
  else {
    console.log(`bare UDP, ${BYTES} bytes, one way, median: ${result.raw_udp_one_way_us.toFixed(2)} us`);
    console.log(`a system call that does nothing:       ${result.system_call_ns.toFixed(0)} ns`);
  }
}
