/** What the transport of a device means for sessions on it. */
import { findTransport, TRANSPORTS } from '@verbena/core';
import { refusal } from '../failure.ts';

/**
 * How queue pairs find their peers: `addressed` ones reach everybody and have well-known numbers; `connected` ones have
 * one peer each, and a connection manager.
 */
export type CarrierStyle = 'addressed' | 'connected';

/** @throws VerbsError EOPNOTSUPP sessions are not possible there */
export function styleOf(transport: string, queuePairTypes: readonly string[]): CarrierStyle {
  if (queuePairTypes.includes('RU')) return 'addressed';
  if (queuePairTypes.includes('RC')) return 'connected';
  throw refusal('EOPNOTSUPP', 'openDevice', `${transport} has queue pairs of kind ${queuePairTypes.join(', ')} only`, {
    missing: 'RU, or RC',
    try: TRANSPORTS.map(({ name }) => `--transport ${name}`).join(' or '),
  });
}

/**
 * The UDP port of a device with a service.
 *
 * @param servicePort - as the user gave it. Addressed queue pairs are found under the UDP port itself; connection managers
 *   have ports of their own
 * @returns undefined: the transport's
 */
export function udpPortOf(transport: string, servicePort: number | undefined): number | undefined {
  const found = findTransport(transport);
  if (found === undefined || found.attributes.queuePairTypes.includes('RU')) return servicePort ?? DEFAULT_PORT;
  return undefined;
}

/** UDP port that peers of such a transport are looked for at. */
export function peerUdpPort(transport: string, servicePort: number | undefined): number {
  return udpPortOf(transport, servicePort) ?? findTransport(transport)?.udpPort ?? DEFAULT_PORT;
}

/** How a service is found at its address. */
export function placeText({ style, servicePort, usesPorts }: Place): string {
  return usesPorts ? `${PORT_NAMES[style]} ${servicePort}` : 'directly over IP';
}

interface Place {
  readonly style: CarrierStyle;
  readonly servicePort: number;
  readonly usesPorts: boolean;
}

/** What the port of a service is a port of. */
const PORT_NAMES: Readonly<Record<CarrierStyle, string>> = { addressed: 'UDP port', connected: 'RDMA port' };
export const DEFAULT_TRANSPORT = 'uet';
/** Where services are found: the UDP port of UET. */
export const DEFAULT_PORT = 4793;
