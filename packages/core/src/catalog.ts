/** The transports of this build, by name. The only file that imports all of them. */
import type { Transport } from './engine/engine.ts';
import { loop } from './transports/loop/index.ts';
import { roce } from './transports/roce/index.ts';
import { uet } from './transports/uet/index.ts';

/** What hosts provision for transports with protected packets. */
export * from './transports/uet/tss/index.ts';

export const TRANSPORTS: readonly Transport[] = [uet, roce, loop];

/** Looks a transport up by its name. */
export const findTransport = (name: string): Transport | undefined => TRANSPORTS.find((one) => one.name === name);

/** The transport that an address entry of this type chooses, in the form that it has there. */
export const transportOfAddress = (type: string): Transport | undefined =>
  TRANSPORTS.flatMap((one) => one.overIp ?? [])
    .concat(TRANSPORTS)
    .find(({ attributes }) => attributes.addressType === type);
