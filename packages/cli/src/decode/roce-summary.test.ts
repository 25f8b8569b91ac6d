import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dissectFrame, readCapture } from '@verbena/core/wire';
import { expect, it } from 'vitest';
import { summarize } from './packet-summary.ts';

const FOLDER = fileURLToPath(new URL('../../../../testing/captures/roce/', import.meta.url));

it.each([
  [
    'rc-send',
    [
      'RC_SEND_FIRST psn 0x4e1c25 to qp 0x000011 +1024 B',
      'RC_SEND_MIDDLE psn 0x4e1c26 to qp 0x000011 +1024 B',
      'RC_SEND_LAST psn 0x4e1c27 to qp 0x000011 +953 B',
      'RC_ACKNOWLEDGE psn 0x4e1c27 to qp 0x000011',
    ],
    [true, true, true, false],
  ],
  ['rnr-nak', ['RC_ACKNOWLEDGE psn 0x0be902 to qp 0x000054 RNR NAK wait 0.64 ms'], [false]],
  [
    'sequence-nak',
    [
      'RC_READ_REQUEST psn 0xf8be32 to qp 0x000055 of 3001 bytes',
      'RC_ACKNOWLEDGE psn 0xf8be3b to qp 0x000056 NAK PSN_SEQUENCE_ERROR',
    ],
    [true, false],
  ],
  [
    'cm-refusal',
    [
      'UD_SEND_ONLY psn 0x00004b to qp 0x000001 CM REQ +56 B',
      'UD_SEND_ONLY psn 0x000034 to qp 0x000001 CM REJ INVALID_SERVICE_ID +148 B',
    ],
    [true, true],
  ],
])('one line for each packet of RoCEv2: %s', (name, texts, requests) => {
  const frames = [...readCapture(new Uint8Array(readFileSync(`${FOLDER}${name}.pcap`)))];
  const lines = frames.map(({ data, linkType }) => summarize(dissectFrame(data, linkType)));
  expect(lines.map(({ text }) => text)).toEqual(texts);
  expect(lines.map(({ isRequest }) => isRequest)).toEqual(requests);
  for (const { source, destination } of lines)
    expect(`${source} ${destination}`).toMatch(/^192\.168\.77\.[23] 192\.168\.77\.[23]$/);
});
