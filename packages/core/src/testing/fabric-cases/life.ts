/** How objects are opened, bound, enabled and closed. */
import { decodeAddress, FABRIC_ADDRESS_BYTES } from '../../fabric/address.ts';
import { check, checkEqual } from '../suite-case.ts';
import { codeOf, type FabricCase, fabricCase, PLAIN } from './fabric-case.ts';

export const FABRIC_LIFE_CASES: readonly FabricCase[] = [
  fabricCase('life/info-tells-what-there-is-and-why-not', [], (suite) => {
    const bed = suite.bed();
    const { fabric, info } = bed.a;
    const all = fabric.getInfo();
    check(all.length > 0, 'there is no info');
    for (const one of all) {
      check(one.caps.msg && one.caps.remoteComm, 'an info without messages');
      check(one.transmit.completionOrder.length === 0, 'completions have no order');
      checkEqual(one.endpoint.type === 'rdm', one.caps.fence, 'what is reliable can wait');
    }
    checkEqual(info.caps.tagged, false, 'tags unasked');
    checkEqual(
      codeOf(() => fabric.getInfo({ endpoint: { maxMessageBytes: 2 ** 40 } })),
      'ENODATA',
      'messages of a terabyte',
    );
    checkEqual(
      codeOf(() => fabric.getInfo({ domain: { name: 'another' } })),
      'ENODATA',
      'another device',
    );
    const order = ['RAR', 'RAW', 'RAS', 'WAR', 'WAW', 'WAS', 'SAR', 'SAW', 'SAS'] as const;
    checkEqual(
      codeOf(() => fabric.getInfo({ transmit: { messageOrder: order } })),
      'ENODATA',
      'every order',
    );
    const ordered = fabric.getInfo({ ...PLAIN, transmit: { messageOrder: ['SAS'] } })[0]!;
    check(ordered.transmit.messageOrder.includes('SAS'), 'order SAS');
    checkEqual(ordered.caps.idempotent, false, 'an ordered endpoint repeats nothing');
    bed.close();
  }),
  fabricCase('life/names-are-32-bytes', [], (suite) => {
    const bed = suite.bed();
    const { a, b } = bed;
    const name = b.endpoint.getName();
    checkEqual(name.length, FABRIC_ADDRESS_BYTES, 'bytes');
    const decoded = decodeAddress('test', name);
    checkEqual([...decoded.fabricAddress.subarray(12)].join('.'), b.node.address, 'fabric address');
    checkEqual([...a.vector.lookup(a.to(b))].join(), [...name].join(), 'looked up');
    check(a.vector.text(name).includes(b.node.address), 'in words');
    for (const wrong of [name.slice(0, 31), new Uint8Array(32), Uint8Array.from(name, (x, i) => (i === 0 ? 9 : x))]) {
      checkEqual(
        codeOf(() => a.vector.insert(wrong)),
        'EINVAL',
        'no address',
      );
    }
    checkEqual(a.vector.insertAll([name, new Uint8Array(32), name])[1], -1, 'one of many');
    bed.close();
  }),
  fabricCase('life/address-vector-gives-numbers-again', [], (suite) => {
    const bed = suite.bed({ vector: { size: 4 } });
    const { a, b } = bed;
    const name = b.endpoint.getName();
    const [three, four] = [a.vector.insert(name), a.vector.insert(name)];
    checkEqual([three, four, a.vector.count], [2, 3, 4], 'numbers');
    checkEqual(
      codeOf(() => a.vector.insert(name)),
      'ENOSPC',
      'a fifth',
    );
    a.vector.remove(three);
    checkEqual(
      codeOf(() => a.vector.lookup(three)),
      'EINVAL',
      'a removed number',
    );
    checkEqual(
      codeOf(() => a.vector.remove(three)),
      'EINVAL',
      'removed twice',
    );
    checkEqual(
      codeOf(() => a.endpoint.messages.send(undefined, 0, 0, three)),
      'EINVAL',
      'a send to a removed number',
    );
    checkEqual(a.vector.insert(name), three, 'given again');
    bed.close();
  }),
  fabricCase('life/enable-wants-what-is-missing', ['msg'], (suite) => {
    const bed = suite.bed();
    const { domain, info, vector, sendQueue, receiveQueue } = bed.a;
    const endpoint = domain.openEndpoint(info);
    checkEqual(
      codeOf(() => endpoint.messages),
      'EINVAL',
      'operations before',
    );
    checkEqual(
      codeOf(() => endpoint.getName()),
      'EINVAL',
      'a name before',
    );
    checkEqual(
      codeOf(() => endpoint.enable()),
      'EINVAL',
      'nothing bound',
    );
    endpoint.bind(vector);
    checkEqual(
      codeOf(() => endpoint.enable()),
      'EINVAL',
      'no queue',
    );
    endpoint.bind(sendQueue, { transmit: true });
    checkEqual(
      codeOf(() => endpoint.bind(receiveQueue, { transmit: true })),
      'EBUSY',
      'a second queue for the same',
    );
    checkEqual(
      codeOf(() => endpoint.bind(receiveQueue, {})),
      'EINVAL',
      'a queue for nothing',
    );
    checkEqual(
      codeOf(() => endpoint.enable()),
      'EINVAL',
      'no queue for receives',
    );
    checkEqual(
      codeOf(() => endpoint.bind(bed.b.receiveQueue, { receive: true })),
      'EINVAL',
      'a queue of another domain',
    );
    endpoint.bind(receiveQueue, { receive: true });
    const counter = domain.openCounter();
    checkEqual(
      codeOf(() => endpoint.bind(counter, { remoteWrite: true } as object)),
      'EOPNOTSUPP',
      'what peers do',
    );
    endpoint.enable();
    endpoint.enable();
    checkEqual(
      codeOf(() => endpoint.bind(counter, { send: true })),
      'EINVAL',
      'bound too late',
    );
    endpoint.close();
    counter.close();
    bed.close();
  }),
  fabricCase('life/what-others-need-cannot-be-closed', ['msg'], (suite) => {
    const bed = suite.bed();
    const { a } = bed;
    for (const one of [a.vector, a.sendQueue, a.receiveQueue, a.domain]) {
      checkEqual(
        codeOf(() => one.close()),
        'EBUSY',
        one.describe(),
      );
      check(one.isOpen, 'it is still open');
    }
    const memory = a.memory(64);
    a.endpoint.close();
    a.endpoint.close();
    for (const one of [a.vector, a.sendQueue, a.receiveQueue]) one.close();
    checkEqual(
      codeOf(() => a.domain.close()),
      'EBUSY',
      'a domain with memory',
    );
    memory.close();
    a.domain.close();
    checkEqual(
      codeOf(() => a.domain.openCompletionQueue()),
      'EINVAL',
      'a queue in a closed domain',
    );
    checkEqual(
      codeOf(() => a.sendQueue.readOne()),
      'EINVAL',
      'a closed queue',
    );
    bed.pump.close();
  }),
  fabricCase('life/bounds-of-sizes', [], (suite) => {
    const bed = suite.bed();
    const { domain, info } = bed.a;
    checkEqual(
      codeOf(() => domain.openCompletionQueue({ size: 0 })),
      'EINVAL',
      'a queue for nothing',
    );
    checkEqual(
      codeOf(() => domain.openCompletionQueue({ size: 2 ** 30 })),
      'EINVAL',
      'a queue for everything',
    );
    checkEqual(
      codeOf(() => domain.openAddressVector({ size: -1 })),
      'EINVAL',
      'a vector of a negative size',
    );
    for (const size of [0, 1.5, 2 ** 20]) {
      checkEqual(
        codeOf(() => domain.openEndpoint({ ...info, transmit: { ...info.transmit, size } })),
        'EINVAL',
        `a transmit queue of ${size}`,
      );
    }
    checkEqual(
      codeOf(() => domain.openEndpoint({ ...info, sgidIndex: 7 })),
      'EINVAL',
      'an info of another entry',
    );
    bed.close();
  }),
];
