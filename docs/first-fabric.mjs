// One program, two endpoints: a message finds the receive that asks for its tag.
import { openFabric } from '@verbena/node';

const [alice, bob] = await Promise.all(['127.0.0.2', '127.0.0.3'].map((address) => openFabric({ address })));
const [alices, bobs] = [open(alice), open(bob)];

// Addresses are 32 bytes, exchanged by whatever means there are. In a vector each peer is a number.
const toBob = alices.vector.insert(bobs.endpoint.getName());
const toAlice = bobs.vector.insert(alices.endpoint.getName());

// Bob wants a message with tag 7 from Alice; whatever else comes waits.
const inbox = bobs.domain.allocate(64, { receive: true });
bobs.endpoint.tagged.receive(inbox, 0, 64, toAlice, 7n, 0n, 'for bob');

const text = new TextEncoder().encode('hello, tagged world');
const outbox = alices.domain.allocate(64);
outbox.bytes.set(text);
alices.endpoint.tagged.send(outbox, 0, text.length, toBob, 7n, 'from alice');

const sent = await alices.queue.next({ timeoutMs: 5_000 });
const received = await bobs.queue.next({ timeoutMs: 5_000 });
const words = new TextDecoder().decode(inbox.bytes.subarray(0, received.length));
console.log(sent.context, sent.ok, '-', received.context, received.tag, words);
await Promise.all([alice.close(), bob.close()]);

/** An endpoint with one queue, for messages with tags that arrive in order. */
function open(fabric) {
  const [info] = fabric.getInfo({ caps: { tagged: true, directedReceive: true }, transmit: { messageOrder: ['SAS'] } });
  const domain = fabric.openDomain(info);
  const vector = domain.openAddressVector();
  const queue = domain.openCompletionQueue();
  const endpoint = domain.openEndpoint(info);
  endpoint.bind(vector);
  endpoint.bind(queue, { transmit: true, receive: true });
  endpoint.enable();
  return { domain, vector, queue, endpoint };
}
