/** The user half at work: the bar that a new driver must take. @spec rdma-core 23 */
import { check, checkEqual } from '../suite-case.ts';
import { type DriverCase, driverCase } from './driver-case.ts';
import { talk } from './removal.ts';

export const WORK_CASES: readonly DriverCase[] = [
  driverCase('talk/ping-pong', 'R174 R175 R069 R070', (bench) => {
    const [a, b] = talk(bench);
    for (let round = 0; round < 40; round++) {
      const ping = Uint8Array.from({ length: 1 + round * 13 }, (_, i) => (i * 7 + round) & 0xff);
      a.send(ping);
      bench.pair.run();
      const pong = b.receive();
      checkEqual(String(pong), String(ping), `message of ${ping.length} bytes`);
      b.send(pong!.reverse());
      bench.pair.run();
      checkEqual(String(a.receive()), String(ping.reverse()), `its answer`);
      check(a.receive() === undefined && b.receive() === undefined, 'something came that nobody sent');
    }
  }),

  driverCase('talk/nothing-moves-without-a-bell', 'R070', (bench) => {
    const [a, b] = talk(bench);
    bench.pair.run();
    checkEqual(a.receive() === undefined && b.receive() === undefined, true, 'nothing comes by itself');
  }),

  driverCase('talk/a-program-that-dies-leaves-the-others-alone', 'R180 R048', (bench) => {
    const [a, b] = talk(bench);
    a.send(Uint8Array.of(1, 2, 3));
    bench.programs[0]!.session.close();
    bench.pair.run();
    a.ring();
    bench.pair.run();
    b.receive();
    checkEqual(bench.device.contexts.size, 0, 'contexts of the program that died');
    bench.programs[1]!.call('DEVICE.QUERY_METHODS');
  }),

  driverCase('isolation/memory-of-another-domain-is-out-of-reach', 'R105', (bench) => {
    check(bench.pair.trespass !== undefined, 'the driver under test does not say how to try');
    const [a, b] = [bench.program(0), bench.program(1)];
    checkEqual(bench.pair.trespass(a, b), false, 'a byte moved across the border of a protection domain');
  }),
];
