/** The first words of a session: do both sides run the same protocol, with packets of the same size? */
import { refusal } from '../failure.ts';
import type { Channel } from './channel.ts';
import type { Peer } from './peers.ts';
import { type Body, isCount } from './session.ts';

/** Introduces this side. @throws VerbsError no answer, or packets of different size */
export async function sayHello(channel: Channel, server: Peer, service: string): Promise<void> {
  await channel.request(server, 'hello', { service, payloadMtu: channel.endpoint.payloadMtu });
}

/** Answers `hello`. @throws VerbsError when the two sides do not fit together */
export function answerHello(channel: Channel, body: Body, service: string): Body {
  const { payloadMtu } = channel.endpoint;
  if (body.service !== service) {
    throw refusal(
      'EOPNOTSUPP',
      'hello',
      `this is \`verbena ${service}\`, not \`verbena ${String(body.service).slice(0, 40)}\``,
      {
        try: `start the server that fits the client`,
      },
    );
  }
  const theirs = body.payloadMtu;
  if (!isCount(theirs) || (channel.needsEqualMtu && theirs !== payloadMtu)) {
    throw refusal(
      'EINVAL',
      'hello',
      `packets carry ${payloadMtu} bytes on the server, ${String(theirs).slice(0, 20)} on the client`,
      {
        try: `--mtu ${payloadMtu} on the client`,
      },
    );
  }
  return { payloadMtu };
}
