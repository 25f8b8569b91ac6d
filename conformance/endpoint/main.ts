/**
 * Our endpoint as a program of its own: opens its variants, says on one line what they are, then serves the upper tester on
 * its standard input and output. Ends, leaving nothing, when the input ends.
 *
 *     node main.js 127.99.0
 */
import { createInterface } from 'node:readline';
import type { EndpointTarget } from '../target.ts';
import { Endpoint } from './endpoint.ts';
import { UpperServer } from './upper-server.ts';
import { VARIANTS } from './variants.ts';

async function main(net: string): Promise<void> {
  const endpoints = new Map<string, Endpoint>();
  const described: Record<string, EndpointTarget> = {};
  try {
    for (const [name, variant] of Object.entries(VARIANTS)) {
      const endpoint = await Endpoint.open(net, name, variant).catch((error: unknown) => {
        if (variant.isIpv6 === true) return undefined; // the machine has none
        throw error;
      });
      if (endpoint === undefined) continue;
      endpoints.set(name, endpoint);
      described[name] = endpoint.furnish();
    }
    process.stdout.write(
      `${JSON.stringify({ name: 'Verbena', endpoints: described, timeoutMs: 2000, silenceMs: 40 })}\n`,
    );
    const server = new UpperServer(endpoints);
    for await (const line of createInterface({ input: process.stdin })) {
      void server.line(line).then((answer) => process.stdout.write(`${answer}\n`));
    }
  } finally {
    await Promise.all([...endpoints.values()].map((one) => one.close()));
  }
}

main(process.argv[2] ?? '127.99.0').then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
