/** One line about a packet, made from its dissection: who to whom, and what it does. */
import type { Dissected, FieldNode, Layer } from '@verbena/core/wire';
import { isRoceRequest, roceWords } from './roce-summary.ts';

export interface PacketSummary {
  readonly source: string;
  readonly destination: string;
  readonly text: string;
  /** `retx` is set: the packet was sent before. */
  readonly isRetransmission: boolean;
  /** Carries a request (and not only an acknowledgement, a refusal or control). */
  readonly isRequest: boolean;
}

export function summarize(packet: Dissected): PacketSummary {
  const ip = packet.layers.find((layer) => layer.protocol === 'IPv4' || layer.protocol === 'IPv6');
  const pds = packet.layers.find((layer) => layer.protocol === 'UET-PDS');
  const ses = packet.layers.find((layer) => layer.header.startsWith('SES'));
  const type = pds === undefined ? '' : textOf(pds, 'type');
  const tss = packet.layers.find((layer) => layer.header.startsWith('UET security'));
  const bth = packet.layers.find((layer) => layer.header === 'BTH');
  const other = bth === undefined ? [packet.protocols.at(-1) ?? 'unknown'] : roceWords(packet, bth);
  const words = pds !== undefined ? pdsWords(pds, type) : tss === undefined ? other : ['UET-TSS'];
  if (tss !== undefined) words.push(securityWords(tss, pds !== undefined));
  if (ses !== undefined) words.push(sesWords(ses));
  if (packet.payloadLength > 0) words.push(`+${packet.payloadLength} B`);
  return {
    source: ip === undefined ? '' : textOf(ip, 'source'),
    destination: ip === undefined ? '' : textOf(ip, 'destination'),
    text: words.filter((word) => word !== '').join(' '),
    isRetransmission:
      pds !== undefined && numberOf(pds, 'retx') === 1 && !type.startsWith('ACK') && !type.startsWith('NACK'),
    isRequest: bth === undefined ? type.endsWith('_REQ') : isRoceRequest(bth),
  };
}

/** What stands in front of the ciphertext; of an opened packet the domain is enough. */
function securityWords(tss: Layer, isOpen: boolean): string {
  const domain = `0x${(numberOf(tss, 'sdi') ?? 0).toString(16)}`;
  if (isOpen) return `[domain ${domain}]`;
  const counter = (numberOf(tss, 'counterHi') ?? 0) * 2 ** 32 + (numberOf(tss, 'counterLo') ?? 0);
  const source = fieldOf(tss, 'ssi') === undefined ? '' : ` ssi ${textOf(tss, 'ssi')}`;
  return `domain ${domain}${source} an ${textOf(tss, 'an')} epoch ${textOf(tss, 'epoch')} tsc ${counter}`;
}

function pdsWords(pds: Layer, type: string): string[] {
  if (type.startsWith('ACK')) {
    const offset = numberOf(pds, 'ackPsnOffset') ?? 0;
    const bitmap = fieldOf(pds, 'sackBitmap')?.value ?? 0;
    return [
      type,
      `through ${textOf(pds, 'cackPsn')}`,
      offset === 0 ? '' : `for ${offset > 0 ? `+${offset}` : offset}`,
      bitmap === 0 ? '' : 'SACK',
    ];
  }
  if (type.startsWith('NACK')) return [type, textOf(pds, 'nackCode'), `psn ${textOf(pds, 'nackPsn')}`];
  if (type === 'CP') return [textOf(pds, 'ctlType'), `psn ${textOf(pds, 'psn')}`];
  const flags = [numberOf(pds, 'syn') === 1 ? 'SYN' : '', numberOf(pds, 'retx') === 1 ? 'RETX' : ''];
  return [type, ...flags, fieldOf(pds, 'psn') === undefined ? '' : `psn ${textOf(pds, 'psn')}`];
}

function sesWords(ses: Layer): string {
  const code = fieldOf(ses, 'returnCode');
  const opcode = textOf(ses, 'opcode');
  if (code !== undefined) return `${opcode} ${code.text}`;
  const offset = numberOf(ses, 'messageOffset');
  const bytes = numberOf(ses, 'requestLength');
  const data = numberOf(ses, 'hd') === 1 ? ' with data' : '';
  return `${opcode}${data} ${offset === undefined ? '' : `at ${offset} `}of ${bytes ?? '?'} B`;
}

function fieldOf(layer: Layer, name: string): FieldNode | undefined {
  return layer.fields.find((field) => field.name === name);
}

function textOf(layer: Layer, name: string): string {
  return fieldOf(layer, name)?.text ?? '';
}

function numberOf(layer: Layer, name: string): number | undefined {
  const value = fieldOf(layer, name)?.value;
  return typeof value === 'number' ? value : undefined;
}
