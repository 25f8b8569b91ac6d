/** How a stand-in meets its tool over TCP. */
import { ExchangeListener, ExchangeSocket } from '@verbena/node';
import type { StandInPlan } from './plan.ts';
import type { ToolBench } from './tool-bench.ts';

/** Connects to the tool, or waits for it. */
export async function meet(bench: ToolBench, plan: StandInPlan): Promise<ExchangeSocket> {
  const { host, port, signal, patienceMs, waitMs } = plan;
  if (host !== undefined) {
    // The two addresses of a machine need not be of one family: then the system chooses.
    const from = host.includes(':') === bench.address.includes(':') ? bench.address : undefined;
    return await ExchangeSocket.connect({ host, port, from, signal, timeoutMs: patienceMs });
  }
  const listener = await ExchangeListener.open({ address: plan.exchangeAddress ?? bench.address, port });
  try {
    plan.ready?.();
    return await listener.next({ timeoutMs: waitMs, signal });
  } finally {
    listener.close();
  }
}
