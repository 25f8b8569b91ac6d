/** What a program wants of endpoints, and which infos of a device have it: `fi_getinfo`. */
import { VerbsError } from '../base/verbs-error.ts';
import type {
  Capabilities,
  Capability,
  EndpointType,
  FabricInfo,
  FabricMode,
  MemoryMode,
  MessageOrder,
} from './info.ts';

/** What is left out does not matter. */
export interface FabricHints {
  /** What is needed; endpoints get these and no others, beside `source`, `localComm` and `remoteComm`. */
  readonly caps?: Partial<Capabilities>;
  /** What the program is ready to do. Default: everything. */
  readonly modes?: readonly FabricMode[];
  readonly fabric?: { readonly name?: string };
  readonly domain?: {
    readonly name?: string;
    readonly memoryModes?: readonly MemoryMode[];
    readonly cqDataBytes?: number;
    readonly authKeyBytes?: number;
  };
  readonly endpoint?: {
    readonly type?: EndpointType;
    readonly protocol?: string;
    readonly maxMessageBytes?: number;
  };
  readonly transmit?: {
    readonly messageOrder?: readonly MessageOrder[];
    readonly injectBytes?: number;
    readonly size?: number;
    readonly iovLimit?: number;
    readonly rmaIovLimit?: number;
  };
  readonly receive?: {
    readonly messageOrder?: readonly MessageOrder[];
    readonly size?: number;
    readonly iovLimit?: number;
  };
}

/** What a device holds at most, for queues that are larger than usual. */
export interface SizeLimits {
  readonly transmit: number;
  readonly receive: number;
}

/**
 * The infos that fit, as the hints want them.
 *
 * @throws VerbsError ENODATA none does; it says what stood in the way of the one that came closest
 */
export function matching(infos: readonly FabricInfo[], hints: FabricHints, limits: SizeLimits): FabricInfo[] {
  const fitting: FabricInfo[] = [];
  let closest: { readonly info: FabricInfo; readonly misses: readonly string[] } | undefined;
  for (const info of infos) {
    const misses = missesOf(info, hints, limits);
    if (misses.length === 0) fitting.push(shaped(info, hints));
    else if (closest === undefined || misses.length < closest.misses.length) closest = { info, misses };
  }
  if (fitting.length > 0) return fitting;
  if (closest === undefined) {
    throw new VerbsError('ENODATA', 'getInfo', 'the device has no endpoints without a connection', {
      try: 'a device whose protocol has queue pairs of kind RU or UD',
      see: 'docs/fabric.md',
    });
  }
  const { info, misses } = closest;
  throw new VerbsError('ENODATA', 'getInfo', `no endpoint is as the hints want it: ${misses[0]}`, {
    object: `${info.domain.name}, ${info.endpoint.type} over ${info.endpoint.protocol}, which comes closest`,
    missing: misses.join('; '),
    try: 'hints without that',
    see: 'docs/fabric.md',
  });
}

/** What stands in the way of an info, in words. */
function missesOf(info: FabricInfo, hints: FabricHints, limits: SizeLimits): string[] {
  const misses: string[] = [];
  const want = (holds: boolean, text: string) => {
    if (!holds) misses.push(text);
  };
  const { caps = {}, modes, fabric, domain = {}, endpoint = {}, transmit = {}, receive = {} } = hints;
  for (const name of Object.keys(caps) as Capability[]) {
    want(caps[name] !== true || info.caps[name], `caps.${name} is not there${WHY[name] ?? ''}`);
  }
  for (const mode of info.modes) want(modes?.includes(mode) !== false, `the program must be ready for mode ${mode}`);
  want(fabric?.name === undefined || fabric.name === info.fabric.name, `the fabric is ${info.fabric.name}`);
  want(domain.name === undefined || domain.name === info.domain.name, `the domain is ${info.domain.name}`);
  for (const mode of info.domain.memoryModes) {
    want(domain.memoryModes?.includes(mode) !== false, `the program must be ready for memory mode ${mode}`);
  }
  atMost('domain.cqDataBytes', domain.cqDataBytes, info.domain.cqDataBytes);
  const { authKeyBytes } = domain;
  want(
    authKeyBytes === undefined || authKeyBytes === info.domain.authKeyBytes,
    `authorisation keys have ${info.domain.authKeyBytes} bytes`,
  );
  want(endpoint.type === undefined || endpoint.type === info.endpoint.type, `the type is ${info.endpoint.type}`);
  const { protocol } = endpoint;
  want(protocol === undefined || protocol === info.endpoint.protocol, `the protocol is ${info.endpoint.protocol}`);
  atMost('endpoint.maxMessageBytes', endpoint.maxMessageBytes, info.endpoint.maxMessageBytes);
  for (const one of [...(transmit.messageOrder ?? []), ...(receive.messageOrder ?? [])]) {
    want(info.transmit.messageOrder.includes(one), `order ${one} is not kept`);
  }
  atMost('transmit.injectBytes', transmit.injectBytes, info.transmit.injectBytes);
  atMost('transmit.size', transmit.size, limits.transmit);
  atMost('transmit.iovLimit', transmit.iovLimit, info.transmit.iovLimit);
  atMost('transmit.rmaIovLimit', transmit.rmaIovLimit, info.transmit.rmaIovLimit);
  atMost('receive.size', receive.size, limits.receive);
  atMost('receive.iovLimit', receive.iovLimit, info.receive.iovLimit);
  return misses;

  function atMost(name: string, wanted: number | undefined, most: number): void {
    want(wanted === undefined || (wanted >= 0 && wanted <= most), `${name} is at most ${most}, not ${wanted}`);
  }
}

/** An info with no more than what was asked for. */
function shaped(info: FabricInfo, { caps, transmit, receive }: FabricHints): FabricInfo {
  const names = Object.keys(info.caps) as Capability[];
  const isAsked = (name: Capability) => caps === undefined || caps[name] === true || SECONDARY.includes(name);
  const granted = Object.fromEntries(names.map((name) => [name, info.caps[name] && isAsked(name)]));
  return {
    ...info,
    caps: granted as unknown as Capabilities,
    transmit: { ...info.transmit, size: transmit?.size ?? info.transmit.size },
    receive: { ...info.receive, size: receive?.size ?? info.receive.size },
  };
}

/** What costs nothing is there unasked. */
const SECONDARY: readonly Capability[] = ['source', 'localComm', 'remoteComm'];

const WHY: Partial<Readonly<Record<Capability, string>>> = {
  tagged: ': the protocol has no messages with tags',
  directedReceive: ': the protocol does not match receives',
  multiReceive: ': the protocol does not match receives',
  cancel: ': the protocol does not match receives',
  atomic: ': the protocol has no atomics of all kinds',
  fence: ': it goes with reliable endpoints',
  idempotent: ': it goes with unordered endpoints of a protocol that has it',
};
