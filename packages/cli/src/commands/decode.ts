/** `verbena decode FILE`: packets in plain words. */
import { readFile } from 'node:fs/promises';
import { UET_IP_PROTOCOL } from '@verbena/core/wire';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type JsonOption, outputFor } from '../command-runner.ts';
import { type Frame, framesOf, STARTS, type Start } from '../decode/frame-source.ts';
import { summarize } from '../decode/packet-summary.ts';
import { packetDocument, remarkText, timeText, treeLines } from '../decode/packet-tree.ts';
import { SealedPackets } from '../decode/sealed-packets.ts';
import { fileError } from '../failure.ts';
import { oneOf, wholeNumber } from '../option-values.ts';
import { countText } from '../print/units.ts';

interface DecodeOptions extends JsonOption {
  readonly as?: Start;
  readonly frame?: Range;
  readonly summary?: boolean;
  readonly port?: number;
  readonly ipProtocol?: number;
  readonly transport: Carried;
  readonly keys?: string;
}

type Carried = keyof typeof PORTS;

type Range = readonly [first: number, last: number];

export function addDecode(program: Command, setStatus: (status: number) => void): Command {
  return program
    .command('decode')
    .description('explain the packets of a pcap or pcapng file, or of hexadecimal text')
    .argument('<file>', "the file; '-' is standard input")
    .option('--as <start>', `what text begins with: ${STARTS.join(', ')} (default: guessed)`, oneOf(STARTS))
    .option('--frame <number>', 'only this frame, or frames N-M', frameRange)
    .option('--summary', 'one line per packet')
    .option(
      '-p, --port <number>',
      'UDP port that carries UET besides 4793, or RoCEv2 besides 4791',
      wholeNumber(1, 65_535),
    )
    .addOption(
      new Option('--transport <name>', 'which of them that port carries').choices(Object.keys(PORTS)).default('uet'),
    )
    .option('--ip-protocol <number>', 'IP protocol that is UET without UDP, besides 253', wholeNumber(146, 254))
    .option(
      '--keys <file>',
      'open protected packets with the keys of a file; without, they show domain and counter only',
    )
    .addHelpText(
      'after',
      `
Example:
  verbena decode verbena-demo.pcapng --summary
  verbena decode verbena-demo.pcapng --frame 3
  verbena decode secured.pcapng --keys keys.json   packets of a secure domain, opened
  verbena decode rxe.pcap --json                   RoCEv2, with the connection manager's messages
  echo '10 c4 00 00 00 00 00 01 12 34 00 00' | verbena decode -

Exit status 1 means that a packet is malformed; which one, and where, stands on stderr.`,
    )
    .action((file: string, options: DecodeOptions) => decode(file, options, setStatus));
}

async function decode(path: string, options: DecodeOptions, setStatus: (status: number) => void): Promise<void> {
  const output = outputFor(options);
  const file = await read(path);
  const { option, port } = PORTS[options.transport];
  const sealed = new SealedPackets(options.keys);
  const ports = {
    ...(options.port === undefined ? {} : { [option]: [port, options.port] }),
    ...(options.ipProtocol === undefined ? {} : { ipProtocols: [UET_IP_PROTOCOL, options.ipProtocol] }),
  };
  const [first, last] = options.frame ?? [1, Number.POSITIVE_INFINITY];
  let shown = 0;
  let bad = 0;
  for (const frame of framesOf(file, options.as, { ...ports, open: sealed.open })) {
    if (frame.number < first) continue;
    if (frame.number > last) break;
    const packet = frame.dissect();
    shown++;
    if (options.json) output.json(packetDocument(frame, packet));
    else if (options.summary) output.text(summaryLine(frame, packet, sealed.isAsked));
    else output.text(`${treeLines(frame, packet).join('\n')}\n`);
    if (packet.problems.length === 0) continue;
    bad++;
    if (bad <= MAX_COMPLAINTS) output.note(`frame ${frame.number} is malformed ${remarkText(packet.problems[0]!)}`);
  }
  if (shown === 0 && options.frame !== undefined) {
    output.note(`there is no frame ${first === last ? first : `${first}-${last}`} in ${path}`);
    setStatus(1);
  }
  if (sealed.isAsked) output.note(sealed.summary);
  if (bad === 0) return;
  if (bad > MAX_COMPLAINTS) output.note(`and ${bad - MAX_COMPLAINTS} more`);
  output.note(`${countText(bad, 'malformed packet')} of ${shown}`);
  setStatus(1);
}

/** @param hasKeys - packets that stay encrypted say why */
function summaryLine(frame: Frame, packet: ReturnType<Frame['dissect']>, hasKeys: boolean): string {
  const { source, destination, text } = summarize(packet);
  const time = timeText(frame.timestampNs).slice(11, -1);
  const route = source === '' ? '' : `${source} > ${destination}`;
  const problem = packet.problems[0];
  const words = [
    String(frame.number).padStart(6),
    time,
    route,
    text,
    problem === undefined ? '' : `! ${remarkText(problem)}`,
    hasKeys ? (packet.notes.find(({ field }) => field === 'UET-TSS')?.text ?? '') : '',
  ];
  return words.filter((word) => word !== '').join('  ');
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return path === '-' ? await readStandardInput() : await readFile(path);
  } catch (thrown) {
    throw fileError('decode', path, thrown);
  }
}

async function readStandardInput(): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function frameRange(text: string): Range {
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = match?.[2] === undefined ? first : Number(match[2]);
  if (match === null || first < 1 || last < first) throw new InvalidArgumentError('Give a number from 1, or N-M.');
  return [first, last];
}

/** Protocols over UDP: how the dissector calls their ports, and the usual one. */
const PORTS = { uet: { option: 'udpPorts', port: 4793 }, roce: { option: 'rocePorts', port: 4791 } } as const;
/** Malformed packets that are named one by one. */
const MAX_COMPLAINTS = 10;
