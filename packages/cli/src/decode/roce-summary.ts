/** One line about a RoCEv2 packet: what it does, its number and queue pair, and what an answer says. */
import type { Dissected, Layer } from '@verbena/core/wire';

export function roceWords(packet: Dissected, bth: Layer): string[] {
  const opcode = fieldText(bth, 'opcode');
  const words = [opcode, `psn ${fieldText(bth, 'psn')}`, `to qp ${fieldText(bth, 'destQp')}`];
  for (const layer of packet.layers) {
    if (layer.header === 'AETH, NAK') words.push(`NAK ${fieldText(layer, 'reason')}`);
    else if (layer.header === 'AETH, RNR NAK') words.push(`RNR NAK wait ${fieldText(layer, 'timer')}`);
    else if (layer.header === 'RETH') words.push(`of ${fieldText(layer, 'dmaLength')}`);
    else if (layer.protocol === 'CM' && layer.header.startsWith('CM ')) words.push(layer.header);
    if (layer.header === 'CM REJ') words.push(fieldText(layer, 'reason'));
  }
  return words;
}

/** Whether it goes from requester to responder. */
export function isRoceRequest(bth: Layer): boolean {
  return !/RESPONSE|ACKNOWLEDGE|^CNP$/.test(fieldText(bth, 'opcode'));
}

function fieldText(layer: Layer, name: string): string {
  return layer.fields.find((field) => field.name === name)?.text ?? '';
}
