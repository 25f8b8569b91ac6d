// One program, two devices: writes into the memory of the other, which does nothing meanwhile.
import { RemoteMemory } from '@verbena/core';
import { openDevice } from '@verbena/node';

const [alice, bob] = await Promise.all(['127.0.0.2', '127.0.0.3'].map((address) => openDevice({ address })));

// Bob grants access to a buffer and says where it is: address, queue pair number, key.
const bobs = open(bob);
const inbox = bobs.context.allocate(1024);
const granted = bobs.pd.registerMemory(inbox, { access: ['local-write', 'remote-write'] });

// Alice writes. Bob's program is not involved.
const alices = open(alice);
const text = new TextEncoder().encode('hello, remote memory');
const outbox = alices.context.allocate(1024);
outbox.set(text);
const region = alices.pd.registerMemory(outbox, { access: [] });
const to = alices.pd.createAddressHandle({ address: '127.0.0.3', qpn: bobs.qp.qpn });
alices.qp.post({ opcode: 'write', to, region, length: text.length, remote: new RemoteMemory(granted.rkey) });
const completion = await alices.cq.next({ timeoutMs: 5_000 });

console.log(completion.status, '-', new TextDecoder().decode(inbox.subarray(0, text.length)));
await Promise.all([alice.close(), bob.close()]);

/** A context with a protection domain, a completion queue and a queue pair in job 7. */
function open(device) {
  const context = device.open();
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 64 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7 }));
  return { context, pd, cq, qp: pd.createQueuePair({ type: 'RU', sendCq: cq, recvCq: cq, jobKey }) };
}
