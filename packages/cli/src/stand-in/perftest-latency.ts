/** One message to and one fro: ib_write_lat, where each looks at its memory, and ib_send_lat. */
import { CompletionOpcode, Status, VerbsError } from '@verbena/core';
import { checkSame } from './byte-check.ts';
import { type PerftestLane, RECEIVE_ID } from './perftest-lane.ts';
import { checkLength } from './perftest-stream.ts';

/** Either half. @throws VerbsError `EIO` a request failed, or something wrong came · `ETIMEDOUT` nothing came */
export function exchangeLatency(lane: PerftestLane): Promise<void> {
  return lane.plan.tool.verb === 'write' ? exchangeWrites(lane) : exchangeMessages(lane);
}

/** The server begins. Each message has its number, in one byte, at its end. */
async function exchangeWrites(lane: PerftestLane): Promise<void> {
  const { plan, local, cq, bench } = lane;
  const { size, iterations, isClient } = plan;
  const last = lane.slotAt(0, 0) + size - 1;
  for (let number = 1; number <= iterations; number++) {
    if (isClient) await untilWritten(lane, number);
    local.bytes[last] = number;
    const request = { region: local, offset: lane.slotAt(0, 0), length: size, id: 0 };
    lane.queuePairs[0]!.post({ ...request, opcode: 'write', remote: lane.remote(0) });
    await bench.completions(cq, plan, () => `after ${number - 1} of ${iterations} messages to and fro`);
    if (!isClient) await untilWritten(lane, number);
  }
}

async function untilWritten(lane: PerftestLane, number: number): Promise<void> {
  const { plan, shared, cq, bench } = lane;
  const at = lane.areaAt(0) + plan.size - 1;
  const byte = number & 255;
  const doing = `after ${number - 1} of ${plan.iterations} messages to and fro`;
  const end = performance.now() + plan.patienceMs;
  for (let turn = 0; shared.bytes[at] !== byte; turn++) {
    if (cq.poll(bench.batch) > 0 && bench.batch.status[0] !== Status.SUCCESS) throw bench.failure(0, plan, doing);
    if (turn < SPINS) continue;
    if (plan.signal?.aborted) throw plan.signal.reason;
    if (performance.now() > end) {
      throw new VerbsError('ETIMEDOUT', 'standIn', `nothing was written for ${plan.patienceMs / 1000} s, ${doing}`, {
        given: `the last byte is ${shared.bytes[at]}, not ${byte}`,
        try: 'the same size and number of iterations on both sides',
      });
    }
    await (turn < TURNS ? turnOfTheLoop() : pause());
  }
}

/** The client begins. */
async function exchangeMessages(lane: PerftestLane): Promise<void> {
  const { plan, local, cq, bench } = lane;
  const { size, iterations, isClient } = plan;
  const { batch } = bench;
  let first: Uint8Array | undefined;
  let sent = 0;
  let acknowledged = 0;
  let came = 0;
  const send = () => {
    const request = { region: local, offset: lane.slotAt(0, 0), length: size, id: 0 };
    lane.queuePairs[0]!.post({ ...request, opcode: 'send', ...lane.to(0) });
    sent++;
  };
  if (isClient) send();
  while (came < iterations || acknowledged < iterations) {
    const count = await bench.completions(cq, plan, () => `after ${came} of ${iterations} messages to and fro`);
    for (let row = 0; row < count; row++) {
      if (batch.opcode[row] !== CompletionOpcode.RECV) {
        acknowledged++;
        continue;
      }
      const slot = batch.id[row]! - RECEIVE_ID;
      checkLength(batch.byteLength[row]! - lane.headBytes, size, came);
      const at = lane.receiveAt(0, slot) + lane.headBytes;
      const message = lane.shared.bytes.subarray(at, at + size);
      if (first === undefined) first = message.slice();
      else checkSame(message, first, `message ${came + 1}`);
      came++;
      lane.postReceive(0, slot);
    }
    // The answer, or the client's next one.
    if (sent < iterations && sent === acknowledged && came === (isClient ? sent : sent + 1)) send();
  }
  lane.checked = 'every byte: all messages are the same';
}

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

const SPINS = 32;
const TURNS = 2000;
