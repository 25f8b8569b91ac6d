/** The transport suite with writes and reads as idempotent requests, and whether they really went so. */
import { describe, expect, it } from 'vitest';
import type { Engine, Transport } from '../../engine/engine.ts';
import { transportSuite } from '../../testing/transport-suite.ts';

export function idempotentSuite(transport: Transport): void {
  const engines: Engine[] = [];
  const watched: Transport = {
    ...transport,
    createEngine(services, config) {
      const engine = transport.createEngine(services, config);
      engines.push(engine);
      return engine;
    },
  };
  transportSuite(watched, {
    ...{ describe, it, settings: { idempotentRequests: 1 }, idempotentMemory: true },
    skip: [
      { reason: 'what is idempotent may be executed again, late', cases: ['faults/late-duplicates-change-nothing'] },
    ],
  });
  it('went as idempotent requests where memory allows it, and only there', () => {
    const counted = (name: string) => engines.reduce((sum, { counters }) => sum + (counters.get(name) ?? 0), 0);
    expect(counted('idempotent_requests')).toBeGreaterThan(100);
    expect(counted('unsafe_requests')).toBe(0);
  });
}
