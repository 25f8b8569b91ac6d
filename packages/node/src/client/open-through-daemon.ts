/** Opens a device of a daemon: the same handle as that of an embedded device. */
import { type Context, decodeAnswer, encodeRequest, OpenDevice, type Row, UAPI, VerbsError } from '@verbena/core';
import { formatAddress, parseAddress } from '@verbena/core/wire';
import type { DeviceOptions } from '../device/device-plan.ts';
import type { LiveDeviceHandle } from '../device/open-device.ts';
import { loadLibc } from '../memory/libc.ts';
import type { LocalAddress } from '../wire/live-wire.ts';
import { addressTable } from './address-table.ts';
import { DaemonPort } from './daemon-port.ts';

/**
 * @param path - of the daemon's socket
 * @param options - `name`, or `address` (with `port` and `transport`) of one of its devices, choose the device; what is
 *   a matter of the daemon is refused
 * @throws VerbsError `ENXIO` no such device · `ENOTUNIQ` more than one · `EINVAL` an option for `verbena up` · what
 *   connecting says
 */
export async function openThroughDaemon(path: string, options: DeviceOptions): Promise<LiveDeviceHandle> {
  refuseForeign(options);
  const port = DaemonPort.connect(await loadLibc(), path, { memoryBytes: options.memoryBytes });
  try {
    return new DaemonDevice(port, chooseDevice(port, options));
  } catch (thrown) {
    port.close();
    throw thrown;
  }
}

class DaemonDevice extends OpenDevice implements LiveDeviceHandle {
  readonly local: LocalAddress;
  readonly #port: DaemonPort;
  #kept = false;
  #last: Record<string, number> = {};

  constructor(port: DaemonPort, name: string) {
    super(port, name, async () => port.close());
    this.#port = port;
    const context = super.open();
    const { gids } = context.queryPort();
    context.close();
    const { gid = '', udpPort = 0 } = gids[0] ?? {};
    this.local = { text: gid, address: parseAddress(gid) ?? new Uint8Array(16), port: udpPort };
  }

  override open(): Context {
    const context = super.open();
    this.#port.attach(context);
    return context;
  }

  override counters(): Record<string, number> {
    if (this.#port.failure === '' && !this.isClosed) this.#last = super.counters();
    return this.#last;
  }

  ref(): void {
    if (this.#kept) return;
    this.#kept = true;
    this.#port.hold(1);
  }

  unref(): void {
    if (!this.#kept) return;
    this.#kept = false;
    this.#port.hold(-1);
  }

  override close(): Promise<void> {
    this.unref();
    return super.close();
  }
}

/** The device by name, else by address, else the only one. */
function chooseDevice(port: DaemonPort, { name, address, port: udpPort, transport }: DeviceOptions): string {
  if (name !== undefined && !name.includes('%d')) return name;
  const { LIST } = UAPI.DEVICE.methods;
  const { devices } = decodeAnswer(
    LIST,
    port.invoke({ bytes: encodeRequest(UAPI.DEVICE, LIST, {}), attachments: [] }).bytes,
  );
  const wanted = address === undefined ? undefined : parseAddress(address.replace(/%.*$/, ''));
  if (address !== undefined && wanted === undefined) {
    throw new VerbsError('EINVAL', 'openDevice', `\`${address}\` is not an IP address`, { try: 'one in numbers' });
  }
  const text = wanted === undefined ? undefined : formatAddress(wanted);
  const type = typeof transport === 'string' ? transport : transport?.name;
  const fits = (device: Row): boolean => {
    if (type !== undefined && !(device.transports as readonly string[]).includes(type)) return false;
    if (text === undefined) return true;
    return addressTable(port, String(device.name)).some(
      ({ gid, udp_port: own }) => gid === text && (udpPort === undefined || udpPort === 0 || own === udpPort),
    );
  };
  const found = devices.filter(fits).map((one) => String(one.name));
  if (found.length === 1) return found[0]!;
  const all = devices.map((one) => String(one.name)).join(', ');
  if (found.length > 1) {
    throw new VerbsError('ENOTUNIQ', 'openDevice', `the daemon has ${found.length} devices that fit`, {
      missing: 'name',
      try: `one of ${found.join(', ')}`,
    });
  }
  throw new VerbsError('ENXIO', 'openDevice', 'the daemon has no such device', {
    given: [type, address, udpPort].filter((one) => one !== undefined).join(' '),
    try: all === '' ? 'verbena up --device uet0=127.0.0.1' : `one of ${all}`,
  });
}

function refuseForeign(options: DeviceOptions): void {
  const given = FOREIGN.filter((name) => options[name] !== undefined);
  if (given.length === 0) return;
  throw new VerbsError('EINVAL', 'openDevice', `a daemon's device is set up where the daemon is started`, {
    given: given.join(', '),
    try: `leave ${given.length === 1 ? 'this' : 'these'} to \`verbena up\`, or unset VERBENA_SOCKET for a device of your own`,
  });
}

/** Options of devices that a program opens itself. */
const FOREIGN = [
  'gids',
  'system',
  'payloadMtu',
  'io',
  'mode',
  'entropies',
  'faults',
  'capture',
  'captureLimitBytes',
  'seed',
  'settings',
  'security',
  'encapsulation',
  'ipProtocol',
  'dscp',
  'linkMtu',
] as const satisfies readonly (keyof DeviceOptions)[];
