/** Rules, against our own endpoint. */
import { startOwnEndpoint } from './own-endpoint.ts';
import type { Rule } from './rule.ts';
import { loopbackAddresses, type Result, runSuite } from './suite.ts';

/** Our endpoint, in a process of its own. */
export async function onOwn(
  rules: readonly Rule[],
  seed: number,
  onResult: (result: Result) => void = () => {},
  program?: string,
): Promise<{ results: Result[]; name: string }> {
  const net = `127.${100 + (process.pid % 100)}`;
  const own = await startOwnEndpoint(`${net}.0`, program);
  try {
    const { target, upper } = own;
    return {
      results: await runSuite(rules, { target, upper, seed, addresses: loopbackAddresses(net), onResult }),
      name: target.name,
    };
  } finally {
    await own.close();
  }
}
