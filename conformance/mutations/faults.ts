/**
 * Faults that are built into a copy of the engine, to find out whether the rules find them. Each is an exact change of the
 * built text, which must be there exactly once.
 */

export interface Fault {
  readonly name: string;
  /** What the engine does wrong with it. */
  readonly text: string;
  /** In the built packages: `core/...` or `node/...`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const PDS = 'core/transports/uet/pds';
const SES = 'core/transports/uet/ses';
const TSS = 'core/transports/uet/tss';

export const FAULTS: readonly Fault[] = [
  {
    name: 'duplicates-executed',
    text: 'a packet that has been there is carried out again',
    file: `${PDS}/destination.js`,
    from: 'if (place === Place.DUPLICATE) {',
    to: 'if (place === Place.DUPLICATE && rx.response(psn) !== undefined) {',
  },
  {
    name: 'no-window',
    text: 'packets outside of the receive window are taken',
    file: `${PDS}/destination.js`,
    from: 'if (place === Place.OUTSIDE) {',
    to: 'if (place === -1) {',
  },
  {
    name: 'no-order',
    text: 'ordered contexts take packets ahead of their turn',
    file: `${PDS}/destination.js`,
    from: 'if (context.ordered && psn !== expected) {',
    to: 'if (context.ordered && psn === -1) {',
  },
  {
    name: 'wrong-expected-psn',
    text: 'ROD_OOO tells the PSN that came instead of the one that is expected',
    file: `${PDS}/destination.js`,
    from: 'NackCode.ROD_OOO, psn, expected, flags',
    to: 'NackCode.ROD_OOO, psn, psn, flags',
  },
  {
    name: 'clear-ignored',
    text: 'Clear Commands do nothing',
    file: `${PDS}/destination.js`,
    from: 'return rx.cleared(controlPayload.get(view, at));',
    to: 'return;',
  },
  {
    name: 'clear-offset-unsigned',
    text: 'the clear offset of a request is subtracted instead of added',
    file: `${PDS}/destination.js`,
    from: 'rx.cleared(psnAdd(psn, clearPsnOffset.get(view, at)));',
    to: 'rx.cleared(psnAdd(psn, -clearPsnOffset.get(view, at)));',
  },
  {
    name: 'close-with-reads',
    text: 'a Close Command is granted while read data is on its way',
    file: `${PDS}/destination.js`,
    from: 'if (outstanding > 0) {',
    to: 'if (outstanding > 1e6) {',
  },
  {
    name: 'close-request-of-anybody',
    text: 'a target takes a Close Request of the initiator',
    file: `${PDS}/destination.js`,
    from: 'if (type === ControlType.CLOSE_REQUEST && !context.initiator) {',
    to: 'if (type === ControlType.CLOSE_REQUEST && context.slot < 0) {',
  },
  {
    name: 'any-spdcid',
    text: 'packets are taken on a context whatever context they come from',
    file: `${PDS}/destination.js`,
    from: 'else if (context.remoteId !== spdcid) {',
    to: 'else if (context.remoteId === -1) {',
  },
  {
    name: 'probe-number-lost',
    text: 'the answer to a Probe does not return its number',
    file: `${PDS}/destination.js`,
    from: 'core.outbox.messageId[i] = probeOpaque.get(view, at);',
    to: 'core.outbox.messageId[i] = 0;',
  },
  {
    name: 'start-offset-added',
    text: 'the first PSN of a context is computed with the wrong sign',
    file: `${PDS}/acceptance.js`,
    from: 'psnAdd(psn, -psnOffset.get(view, at))',
    to: 'psnAdd(psn, psnOffset.get(view, at))',
  },
  {
    name: 'late-syn-executed',
    text: 'closed contexts are not remembered: late copies of their first packets are carried out again',
    file: `${PDS}/acceptance.js`,
    from: 'if (contexts.closedStart(now, path, spdcid) === start) {',
    to: 'if (contexts.closedStart(now, path, spdcid) === -2) {',
  },
  {
    name: 'mode-unchecked',
    text: 'a SYN of another delivery mode is taken on a context that is there',
    file: `${PDS}/acceptance.js`,
    from: 'if (known.ordered !== ordered) {',
    to: 'if (known.ordered === undefined) {',
  },
  {
    name: 'any-start-believed',
    text: 'who was told where to begin may begin anywhere',
    file: `${PDS}/acceptance.js`,
    from: 'proven = core.starts.wasOffered(now, path, spdcid, start);',
    to: 'proven = core.starts.wasOffered(now, path, spdcid, start) || (start & 1) >= 0;',
  },
  {
    name: 'answers-not-held',
    text: 'the cumulative PSN passes answers that were not cleared',
    file: `${PDS}/receive-window.js`,
    from: 'if (held)\n            this.#held[i >>> 5] = this.#held[i >>> 5] | (1 << (i & 31));\n',
    to: '',
  },
  {
    name: 'bitmap-shifted',
    text: 'bitmaps name the PSNs before those that arrived',
    file: `${PDS}/packets.js`,
    from: 'sackBitmap.lo.set(view, at, rx.arrivals(sackBase));',
    to: 'sackBitmap.lo.set(view, at, rx.arrivals(sackBase) >>> 1);',
  },
  {
    name: 'window-in-packets',
    text: 'the window is told in packets instead of units of 128',
    file: `${PDS}/packets.js`,
    from: 'mpr.set(view, at, rx.range >> 7);',
    to: 'mpr.set(view, at, rx.range & 0xff);',
  },
  {
    name: 'retx-not-copied',
    text: 'acknowledgements do not say that the packet was a repetition',
    file: `${PDS}/answers.js`,
    from: 'context.ackRetx = (flags & FLAG_RETX) !== 0;',
    to: 'context.ackRetx = false;',
  },
  {
    name: 'ar-ignored',
    text: 'a packet that asks for an acknowledgement gets none',
    file: `${PDS}/answers.js`,
    from: 'else if ((flags & FLAG_AR) !== 0)',
    to: 'else if ((flags & FLAG_AR) === 0xff)',
  },
  {
    name: 'ack-of-the-future',
    text: 'acknowledgements of what was not sent are believed',
    file: `${PDS}/source.js`,
    from: '|| !psnBefore(cack, tx.next))',
    to: '|| tx.next < 0)',
  },
  {
    name: 'any-ack',
    text: 'acknowledgements are believed whatever context they come from',
    file: `${PDS}/source.js`,
    from: 'if (spdcid === 0 || (context.remoteId !== 0 && context.remoteId !== spdcid))',
    to: 'if (spdcid === 0)',
  },
  {
    name: 'any-nack',
    text: 'refusals are believed whatever context they come from',
    file: `${PDS}/source.js`,
    from: 'if (spdcid !== 0 && context.remoteId !== 0 && context.remoteId !== spdcid)',
    to: 'if (spdcid < 0)',
  },
  {
    name: 'nack-of-anything',
    text: 'refusals of PSNs that are not out are believed',
    file: `${PDS}/source.js`,
    from: "if (!tx.pending(psn))\n            return core.drop('nack_range');\n",
    to: '',
  },
  {
    name: 'repetition-unmarked',
    text: 'repeated packets do not say so',
    file: `${PDS}/source.js`,
    from: 'firstTime ? FLAG_AR : FLAG_RETX | FLAG_AR',
    to: 'FLAG_AR',
  },
  {
    name: 'fixed-start',
    text: 'all contexts begin at the same PSN',
    file: 'core/transports/uet/engine.js',
    from: 'const start = known >= 0 ? known : random;',
    to: 'const start = known >= 0 ? known : 0x20000 + 0 * random;',
  },
  {
    name: 'no-back-off',
    text: 'repetitions come at a constant pace',
    file: `${PDS}/timers.js`,
    from: '2 ** context.backoff',
    to: '1',
  },
  {
    name: 'no-resource-fatal',
    text: 'NO_RESOURCE ends the context',
    file: `${PDS}/nacks.js`,
    from: "'NO_RESOURCE', 'normal', 'resend'",
    to: "'NO_RESOURCE', 'normal', 'fail'",
  },
  {
    name: 'withdrawn-nack-obeyed',
    text: 'the withdrawn code TRIMMED_ACK ends the context',
    file: `${PDS}/nacks.js`,
    from: "'TRIMMED_ACK', 'reserved', 'ignore'",
    to: "'TRIMMED_ACK', 'reserved', 'fail'",
  },
  {
    name: 'rudi-nack-of-context',
    text: 'refusals of idempotent packets look like those of a context',
    file: `${PDS}/rudi-destination.js`,
    from: 'flags | FLAG_NT',
    to: 'flags',
  },
  {
    name: 'rudi-any-region',
    text: 'idempotent requests reach memory whose key does not allow that',
    file: `${SES}/target.js`,
    from: '!isIdempotentSafe(request.keyHi)',
    to: '!isIdempotentSafe(request.keyHi) && false',
  },
  {
    name: 'rudi-any-key',
    text: 'idempotent requests are used whatever the key says',
    file: `${SES}/initiator.js`,
    from: 'isIdempotentSafe(work.rkeyHi)',
    to: '(isIdempotentSafe(work.rkeyHi) || true)',
  },
  {
    name: 'rudi-sends',
    text: 'any operation is taken as idempotent',
    file: `${SES}/target.js`,
    from: 'answer.code = isIdempotent ?',
    to: 'answer.code = isIdempotent || true ?',
  },
  {
    name: 'received-bytes-cut',
    text: 'received bytes are rounded down',
    file: `${PDS}/congestion.js`,
    from: 'const received = Math.ceil(context.receivedBytes / UNIT);',
    to: 'const received = Math.floor(context.receivedBytes / UNIT);',
  },
  {
    name: 'version-unchecked',
    text: 'headers of any version are taken',
    file: `${SES}/request-checks.js`,
    from: 'if (request.ver !== 0)',
    to: 'if (request.ver < 0)',
  },
  {
    name: 'rights-unchecked',
    text: 'a right to write is enough to read',
    file: `${SES}/request-checks.js`,
    from: 'isRead ? Access.REMOTE_READ :',
    to: 'isRead ? 0 :',
  },
  {
    name: 'generation-unchecked',
    text: 'sends of any generation are taken',
    file: `${SES}/request-checks.js`,
    from: 'request.generation !== qp.generation',
    to: 'request.generation === -1',
  },
  {
    name: 'offset-cut',
    text: 'offsets are cut to 32 bits',
    file: `${SES}/request-checks.js`,
    from: 'request.offsetHi * 0x1_0000_0000 + request.offsetLo',
    to: 'request.offsetLo',
  },
  {
    name: 'initiator-error-ignored',
    text: 'payload whose source could not be read is written to memory',
    file: `${SES}/request-checks.js`,
    from: 'if (request.ie)',
    to: 'if (request.ie && request.ver > 3)',
  },
  {
    name: 'wrong-piece',
    text: 'read data does not tell its place in the message',
    file: `${SES}/return-data.js`,
    from: 'ResponseData.messageOffset.set(view, at, slots.messageOffset[i]);',
    to: 'ResponseData.messageOffset.set(view, at, 0);',
  },
  {
    name: 'small-without-psn',
    text: 'data for requests without a message id does not name the request',
    file: `${SES}/return-data.js`,
    from: 'ResponseDataSmall.originalRequestPsn.set(view, at, slots.psn[i]);',
    to: 'ResponseDataSmall.originalRequestPsn.set(view, at, 0);',
  },
  {
    name: 'datagrams-for-anybody',
    text: 'datagrams are delivered whatever key they have',
    file: `${PDS}/datagrams.js`,
    from: "return core.drop('qkey');",
    to: '{ /* taken */ }',
  },
  {
    name: 'clear-taken',
    text: 'a secured endpoint takes packets in the clear',
    file: `${TSS}/packet-protection.js`,
    from: 'this.acceptsClear = clear;',
    to: 'this.acceptsClear = true;',
  },
  {
    name: 'epochs-unchecked',
    text: 'packets of epochs long gone are taken',
    file: `${TSS}/key-slot.js`,
    from: 'accepts(epoch, lifetime) {',
    to: 'accepts(epoch, lifetime) { if (epoch >= 0) return true;',
  },
  {
    name: 'unaligned-atomics',
    text: 'atomics reach places that are not aligned',
    file: `${SES}/atomic-checks.js`,
    from: 'return request.offsetLo % alignmentOf(type) === 0 ? 0 : ReturnCode.AMO_UNALIGNED;',
    to: 'return 0;',
  },
  {
    name: 'atomic-of-parts',
    text: 'atomics take lengths that are no whole number of elements',
    file: `${SES}/atomic-checks.js`,
    from: 'if (reached === 0 || reached % size !== 0)',
    to: 'if (reached === 0)',
  },
  {
    name: 'overflow-untold',
    text: 'messages that wait for a receive are answered as if one had taken them',
    file: `${SES}/answer.js`,
    from: '(ResponseList.OVERFLOW << 6) | SesResponseOpcode.RESPONSE',
    to: 'SesResponseOpcode.RESPONSE',
  },
];

/** The two that are tried with the ordinary tests. */
export const QUICK_FAULTS: readonly string[] = ['duplicates-executed', 'bitmap-shifted'];
