/** What the headers and code points cover, beside the worked packets that show how. */
import { expect, describe as group, it } from 'vitest';
import { RETURN_CODES } from '../../transports/uet/return-codes.ts';
import { type AnyHeader, byteLength, describe } from '../header.ts';
import { isNamed } from '../names.ts';
import { emit, extract } from '../record.ts';
import { NextHeader, PdsType, pdsLength, sesLength } from './pds.ts';
import * as ses from './ses.ts';

const view = (length: number) => new DataView(new ArrayBuffer(length));

/** The headers that begin a request. */
const REQUESTS: Readonly<Record<string, AnyHeader>> = {
  RequestSmall: ses.RequestSmall,
  RequestMedium: ses.RequestMedium,
  RequestMediumData: ses.RequestMediumData,
  RequestStd: ses.RequestStd,
  RequestStdNext: ses.RequestStdNext,
  RequestDeferrable: ses.RequestDeferrable,
  RequestDeferrableNext: ses.RequestDeferrableNext,
  RequestReadyToRestart: ses.RequestReadyToRestart,
};

group('the semantic layer', () => {
  it('has a name for every operation and return code, which survive the way over the wire (uet:ses/2.7, R200)', () => {
    for (let opcode = 0; opcode <= 0x0f; opcode++) {
      expect(isNamed(ses.SesOpcode, opcode)).toBe(true);
      const bytes = view(byteLength(ses.RequestStd));
      emit(ses.RequestStd, bytes, 0, { opcode });
      expect(extract(ses.RequestStd, bytes, 0).opcode).toBe(opcode);
    }
    for (let returnCode = 0; returnCode <= 0x24; returnCode++) {
      expect(isNamed(ses.ReturnCode, returnCode)).toBe(true);
      const bytes = view(byteLength(ses.Response));
      emit(ses.Response, bytes, 0, { returnCode });
      expect(extract(ses.Response, bytes, 0).returnCode).toBe(returnCode);
    }
    // and an initiator knows what to do about each of them
    const known = Object.keys(ses.ReturnCode);
    const named = RETURN_CODES.map(({ name }) => name).filter((name) => !/^(RESERVED|VENDOR)/.test(name));
    expect(named.sort()).toEqual(known.sort());
  });

  it('has 24 bits for the job in each of its request headers, and takes no larger one (uet:ses/2.2, R201)', () => {
    const headers = Object.entries(ses).filter(([name]) => /^Request(?!.*Extension)/.test(name));
    expect(Object.fromEntries(headers)).toEqual(REQUESTS);
    for (const header of Object.values(REQUESTS)) {
      expect(describe(header).fields.find(({ name }) => name === 'jobId')?.bits, describe(header).name).toBe(24);
      const bytes = view(byteLength(header));
      emit(header, bytes, 0, { jobId: 0xff_ffff });
      expect(extract(header, bytes, 0)['jobId']).toBe(0xff_ffff);
      expect(() => emit(header, bytes, 0, { jobId: 0x100_0000 })).toThrowError(RangeError);
    }
  });
});

group('packet delivery', () => {
  it('has the length of every type of packet, and of every header behind it (uet:pds/2.2, R199)', () => {
    // the security header is none of packet delivery
    for (const [name, type] of Object.entries(PdsType)) expect(pdsLength(type) > 0, name).toBe(name !== 'TSS');
    for (const [name, next] of Object.entries(NextHeader)) expect(sesLength(next) > 0, name).toBe(name !== 'NONE');
  });
});
