import { describe, expect, it } from 'vitest';
import { ERRNO } from '../base/errno.ts';
import { encodeUtf8 } from '../base/utf8.ts';
import { isVerbsError, VerbsError } from '../base/verbs-error.ts';
import { UAPI } from '../uapi/index.ts';
import { layout } from '../uapi/layout.ts';
import {
  ANSWER_BYTES,
  AttributeFlag,
  answerCookie,
  decodeAnswer,
  encodeRequest,
  encodeValue,
  type RawAttribute,
  REQUEST_BYTES,
} from '../uapi/message.ts';
import { give, type Input, type Method, maybe, method, need, type ObjectSchema, object } from '../uapi/schema.ts';
import type { Call } from './call.ts';
import type { Device } from './device.ts';
import type { Driver } from './driver.ts';
import { NO_RIGHTS, type Session } from './session.ts';
import { System } from './system.ts';

const SPOT = layout('spot', 'a place', { x: 'u32', y: 'u32', far: 'size' });
const WIDGET = object({
  id: 0x1000,
  name: 'WIDGET',
  text: 'An object of the driver, with an attribute of every type.',
  plural: 'widgets',
  short: 'widget',
  methods: {
    MAKE: method(0, 'Makes one.', {
      pd: need.read(0, 'PD', 'domain'),
      handle: give.handle(1, 'WIDGET', 'the widget'),
      label: maybe(need.text(2, 'what stands on it', 8)),
      spot: maybe(need.struct(3, 'where', SPOT)),
      flags: maybe(need.flags(4, 'required flags', { RED: 1, BLUE: 4 })),
      hints: maybe(need.hints(5, 'optional flags', { WARM: 1 })),
      size: maybe(need.size(6, 'bytes', 1000)),
      word: maybe(need.u32(7, 'a number', 100)),
      choice: maybe(need.choice(8, 'one of', { ONE: 1, TWO: 2 })),
      blob: maybe(need.bytes(9, 'bytes', 4, 8)),
      big: maybe(need.u64(10, '64 bits')),
      row: maybe(need.row(11, 'named values')),
      domains: maybe(need.reads(12, 'PD', 'more domains', 3)),
    }),
    END: method(1, 'Ends it.', { handle: need.destroy(0, 'WIDGET', 'the widget') }),
    DO: method(2, 'Does what the test says.', {
      handle: need.write(0, 'WIDGET', 'the widget'),
      other: maybe(need.read(1, 'WIDGET', 'another one')),
      text: give.text(2, 'what came of it'),
    }),
  },
});
const { MAKE, END, DO } = WIDGET.methods;

class Bench {
  readonly system = new System((into) => into.fill(++this.#words));
  readonly driver: Driver;
  readonly device: Device;
  readonly session: Session;
  readonly destroyed: (string | undefined)[] = [];
  act: (call: Call) => unknown = () => {};
  context = 0;
  #words = 1;

  constructor() {
    const run = (call: Call) => this.act(call);
    this.driver = {
      number: 0x1234,
      name: 'toy',
      transports: [],
      ops: { PD: { ALLOC: run, DEALLOC: ({ reason }) => void this.destroyed.push(reason) } },
      attributes: { 'PD.ALLOC': { quota: maybe(need.u32(0x1000, 'quota of the driver', 10)) } },
      objects: [
        {
          schema: WIDGET,
          methods: {
            MAKE: run,
            END: ({ reason }) => void this.destroyed.push(reason),
            DO: (call) => ({ text: String(this.act(call) ?? '') }),
          },
        },
      ],
    };
    this.device = this.system.register(this.driver, { name: 'toy0' });
    this.session = this.system.session({ pid: 1, uid: 0, gid: 0, name: 'test', rights: NO_RIGHTS, wake() {} });
    this.context = this.call(UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, {}, { context: 0 }).context;
  }

  send(bytes: Uint8Array): { error: number; bytes: Uint8Array } {
    const answer = this.session.invoke({ bytes, attachments: [] });
    return { error: new DataView(answer.bytes.buffer).getUint16(4, true), bytes: answer.bytes };
  }

  request<M extends Method>(
    of: ObjectSchema,
    which: M,
    input: Input<M>,
    options: {
      context?: number;
      driver?: number;
      room?: number;
      extra?: readonly RawAttribute[];
      cookie?: number;
    } = {},
  ): Uint8Array {
    return encodeRequest(of, which, input, { context: this.context, driver: 0x1234, ...options });
  }

  call<M extends Method>(of: ObjectSchema, which: M, input: Input<M>, options: Parameters<Bench['request']>[3] = {}) {
    return decodeAnswer(which, this.send(this.request(of, which, input, options)).bytes);
  }

  pd(): number {
    return this.call(UAPI.PD, UAPI.PD.methods.ALLOC, {}).handle;
  }

  widget(): number {
    return this.call(WIDGET, MAKE, { pd: this.pd() }).handle;
  }

  /** The error of a call, explained. */
  fail(work: () => unknown): VerbsError {
    try {
      work();
    } catch (thrown) {
      if (isVerbsError(thrown)) return thrown;
    }
    throw new Error('the call did not fail');
  }

  get objects(): number {
    return this.session.contexts.get(this.context)!.objects.size;
  }
}

const word = (value: number): Uint8Array => encodeValue('', '', need.u32(0, ''), value);
const raw = (id: number, value: Uint8Array, flags = 0): RawAttribute => ({ id, flags, value });
const patched = (bytes: Uint8Array, at: number, value: number, width: 2 | 4 = 2): Uint8Array => {
  const copy = bytes.slice();
  if (width === 2) new DataView(copy.buffer).setUint16(at, value, true);
  else new DataView(copy.buffer).setUint32(at, value, true);
  return copy;
};
const longer = (value: Uint8Array, tail: readonly number[]): Uint8Array => Uint8Array.from([...value, ...tail]);
const spot = encodeValue('', '', { ...need.struct(3, '', SPOT) }, { x: 1, y: 2, far: 3 });

/** A row of the table in rdma-core 10.4: what is sent, the answer, and a word that its text has. */
type TableRow = readonly [
  condition: string,
  code: keyof typeof ERRNO | '',
  text: string,
  send: (b: Bench) => Uint8Array,
];

const make = (b: Bench, extra: readonly RawAttribute[]) => b.request(WIDGET, MAKE, { pd: b.pd() }, { extra });

const TABLE: readonly TableRow[] = [
  ['a message shorter than a header', 'EINVAL', 'no request', () => new Uint8Array(REQUEST_BYTES - 1)],
  ['no message at all', 'EINVAL', 'no request', () => new Uint8Array(0)],
  ['a header length that is too small', 'EINVAL', 'bytes', (b) => patched(make(b, []), 0, 8, 4)],
  ['a header length that is too large', 'EINVAL', 'bytes', (b) => patched(make(b, []), 0, 4096, 4)],
  ['a message above the limit', 'EINVAL', 'bytes', () => patched(new Uint8Array(65_544), 0, 65_544, 4)],
  ['a reserved field of 16 bits', 'EPROTONOSUPPORT', 'reserved', (b) => patched(make(b, []), 10, 1)],
  ['a reserved field of 32 bits', 'EPROTONOSUPPORT', 'reserved', (b) => patched(make(b, []), 28, 1, 4)],
  ['another driver', 'EINVAL', 'driver 7', (b) => b.request(WIDGET, MAKE, { pd: b.pd() }, { driver: 7 })],
  ['an unknown object', 'EPROTONOSUPPORT', 'object 2989', (b) => patched(make(b, []), 4, 0xbad)],
  ['an unknown method', 'EPROTONOSUPPORT', 'method 99', (b) => patched(make(b, []), 6, 99)],
  [
    'a method that this device does not have',
    'EPROTONOSUPPORT',
    'no method',
    (b) => b.request(UAPI.CQ, UAPI.CQ.methods.CREATE, { entries: 4 }),
  ],
  ['no context yet', 'EINVAL', 'context', (b) => b.request(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { context: 0 })],
  [
    'a context of nobody',
    'EINVAL',
    'context 77',
    (b) => b.request(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { context: 77 }),
  ],
  [
    'an unknown attribute that is mandatory',
    'EPROTONOSUPPORT',
    '0x2999',
    (b) => make(b, [raw(0x2999, word(1), AttributeFlag.MANDATORY)]),
  ],
  ['an unknown attribute that is optional', '', '', (b) => make(b, [raw(0x2999, word(1))])],
  ['an attribute of the answer, mandatory', 'EPROTONOSUPPORT', '0x1', (b) => make(b, [raw(1, word(1), 1)])],
  ['flags of an attribute that do not exist', 'EINVAL', 'flags', (b) => make(b, [raw(7, word(1), 2)])],
  ['an attribute that stands there twice', 'EINVAL', '`word`', (b) => make(b, [raw(7, word(1)), raw(7, word(1))])],
  ['a mandatory attribute that is missing', 'EINVAL', '`pd`', (b) => b.request(WIDGET, MAKE, {} as { pd: number })],
  ['a word that is too short', 'EINVAL', '`word`', (b) => make(b, [raw(7, word(1).subarray(0, 3))])],
  ['a word that is too long', 'EINVAL', '`word`', (b) => make(b, [raw(7, longer(word(1), [0, 0, 0, 0]))])],
  ['a word above its limit', 'EINVAL', '`word` is 101', (b) => make(b, [raw(7, word(101))])],
  ['a structure that is too short', 'EINVAL', '`spot`', (b) => make(b, [raw(3, spot.subarray(0, 15))])],
  ['a longer structure whose tail is zero', '', '', (b) => make(b, [raw(3, longer(spot, [0, 0, 0, 0]))])],
  ['a longer structure whose tail is not zero', 'EOPNOTSUPP', '`spot`', (b) => make(b, [raw(3, longer(spot, [0, 1]))])],
  [
    'a structure with a size above 2^53',
    'EOVERFLOW',
    '`spot`',
    (b) => make(b, [raw(3, patched(spot, 12, 0x0020_0000, 4))]),
  ],
  ['bytes that are too few', 'EINVAL', '`blob`', (b) => make(b, [raw(9, new Uint8Array(3))])],
  ['bytes that are too many', 'EINVAL', '`blob`', (b) => make(b, [raw(9, new Uint8Array(9))])],
  ['text that is too long', 'EINVAL', '`label`', (b) => make(b, [raw(2, encodeUtf8('123456789'))])],
  ['a choice that does not exist', 'EOPNOTSUPP', '`choice`', (b) => make(b, [raw(8, word(3))])],
  ['unknown bits among required flags (R067)', 'EINVAL', '`flags`', (b) => make(b, [raw(4, word(1 | 2))])],
  ['unknown bits among optional flags (R067)', '', '', (b) => make(b, [raw(5, word(1 | 2))])],
  ['64 bits that are 4 bytes', 'EINVAL', '`big`', (b) => make(b, [raw(10, word(1))])],
  ['a size above its limit', 'EINVAL', '`size`', (b) => make(b, [raw(6, longer(word(1001), [0, 0, 0, 0]))])],
  ['a size above 2^53', 'EOVERFLOW', '`size`', (b) => make(b, [raw(6, longer(word(0), [0, 0, 0x20, 0]))])],
  ['rows that are none', 'EINVAL', '`row`', (b) => make(b, [raw(11, word(77))])],
  [
    'a handle of 3 bytes',
    'EINVAL',
    '`pd`',
    (b) => b.request(WIDGET, MAKE, {} as { pd: number }, { extra: [raw(0, new Uint8Array(3))] }),
  ],
  ['a handle that is negative', 'EINVAL', '`pd`', (b) => b.request(WIDGET, MAKE, { pd: 0x8000_0001 })],
  ['a handle of another kind (R040)', 'EINVAL', '`pd`', (b) => b.request(WIDGET, MAKE, { pd: b.widget() })],
  ['a handle of nothing (R040)', 'ENOENT', '`pd`', (b) => b.request(WIDGET, MAKE, { pd: 0x1_0fff })],
  [
    'a handle whose object is gone (R040)',
    'ENOENT',
    '`pd`',
    (b) => {
      const pd = b.pd();
      b.call(UAPI.PD, UAPI.PD.methods.DEALLOC, { handle: pd });
      return b.request(WIDGET, MAKE, { pd });
    },
  ],
  [
    'a list of handles with a wrong one',
    'ENOENT',
    '`domains`',
    (b) => make(b, [raw(12, longer(word(b.pd()), [9, 9, 1, 0]))]),
  ],
  ['a list of handles that is too long', 'EINVAL', '`domains`', (b) => make(b, [raw(12, new Uint8Array(16))])],
  [
    'one object as both exclusive and shared',
    'EBUSY',
    '`other`',
    (b) => {
      const widget = b.widget();
      return b.request(WIDGET, DO, { handle: widget, other: widget });
    },
  ],
  ['an attribute that is cut off', 'EINVAL', 'attribute 1', (b) => patched(make(b, []), 8, 2)],
  ['an attribute longer than the message', 'EINVAL', 'attribute 0', (b) => patched(make(b, []), 36, 4096, 4)],
  ['bytes behind the last attribute', 'EINVAL', 'follow', (b) => patched(make(b, []), 8, 0)],
  [
    'an attribute of the driver above its limit (R066)',
    'EINVAL',
    '`quota`',
    (b) => b.request(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { extra: [raw(0x1000, word(11))] }),
  ],
  [
    'an attribute of the driver (R056)',
    '',
    '',
    (b) => b.request(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { extra: [raw(0x1000, word(10), 1)] }),
  ],
];

describe('the dispatcher', () => {
  it.each(TABLE)('answers %s with %s (R054 R059 R060 R067, rdma-core 10.4)', (_, code, text, build) => {
    const b = new Bench();
    const bytes = build(b);
    const before = b.objects;
    const answer = b.send(bytes);
    if (code === '') {
      expect(answer.error).toBe(0);
      return;
    }
    expect(answer.error).toBe(ERRNO[code]);
    const error = b.fail(() => decodeAnswer(MAKE, answer.bytes));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(b.objects).toBe(before);
    expect(b.widget()).toBeGreaterThan(0); // and goes on
  });

  it('gives every type of attribute to the method as it was sent (R054)', () => {
    const b = new Bench();
    const given = {
      ...{ label: 'gr\u00fcn', spot: { x: 1, y: 2, far: 2 ** 40 }, flags: 5, hints: 1, size: 999, word: 7, choice: 2 },
      ...{
        blob: Uint8Array.of(1, 2, 3, 4),
        big: 2n ** 63n + 1n,
        row: { a: 1, b: 'two', c: true, d: ['x'], e: 2n ** 60n },
      },
    };
    let seen: Record<string, unknown> = {};
    b.act = (call) => {
      seen = call.input as never;
    };
    const domains = [b.pd(), b.pd()];
    b.call(WIDGET, MAKE, { ...given, pd: b.pd(), domains });
    expect(seen).toMatchObject(given);
    expect((seen.domains as { handle: number }[]).map((one) => one.handle)).toEqual(domains);
  });

  it('checks the message, then the method, the attributes, the right, the handles, and then asks the driver (rdma-core 10.5)', () => {
    const b = new Bench();
    b.act = () => {
      throw new VerbsError('ENOSPC', 'toy', 'the driver was asked');
    };
    const steps: [string, (bytes: Uint8Array) => Uint8Array][] = [
      ['EINVAL', (bytes) => patched(bytes, 0, 1, 4)],
      ['EPROTONOSUPPORT', (bytes) => patched(bytes, 6, 99)],
      ['EPROTONOSUPPORT', (bytes) => patched(bytes, REQUEST_BYTES, 0x2999)],
      ['ENOENT', (bytes) => bytes],
    ];
    // a request that has all of these faults from a step on answers the first of them
    for (let first = 0; first < steps.length; first++) {
      let bytes = b.request(WIDGET, MAKE, { pd: 0x1_0fff });
      for (const [, spoil] of steps.slice(first).reverse()) bytes = spoil(bytes);
      expect(b.send(bytes).error).toBe(ERRNO[steps[first]![0] as keyof typeof ERRNO]);
    }
    b.act = () => {};
    const pd = b.pd();
    b.act = () => {
      throw new VerbsError('ENOSPC', 'toy', 'the driver was asked');
    };
    expect(b.fail(() => b.call(WIDGET, MAKE, { pd })).code).toBe('ENOSPC');
  });

  it('keeps EPROTONOSUPPORT for itself: from a method it becomes EINVAL, with a note (rdma-core 10.4)', () => {
    const b = new Bench();
    const widget = b.widget();
    b.act = () => {
      throw new VerbsError('EPROTONOSUPPORT', 'toy', 'no such firmware', { try: 'a newer one' });
    };
    for (const work of [
      () => b.call(WIDGET, DO, { handle: widget }),
      () => b.call(UAPI.PD, UAPI.PD.methods.ALLOC, {}),
    ]) {
      const error = b.fail(work);
      expect(error.code).toBe('EINVAL');
      expect(error.message).toContain('no such firmware');
      expect(error.facts.try).toBe('a newer one');
      expect(error.facts.see).toContain('toy');
    }
  });

  it('answers a bug of a method with EIO, and undoes what it did (R042)', () => {
    const b = new Bench();
    const pd = b.pd();
    const before = b.objects;
    b.act = () => {
      throw new TypeError('undefined is not a function');
    };
    const error = b.fail(() => b.call(WIDGET, MAKE, { pd }));
    expect(error.code).toBe('EIO');
    expect(error.message).toContain('undefined is not a function');
    expect(b.objects).toBe(before);
  });

  it('aborts what the driver made when the answer cannot be given (R043 R041)', () => {
    const b = new Bench();
    const pd = b.pd();
    const before = b.objects;
    expect(b.fail(() => b.call(WIDGET, MAKE, { pd }, { room: ANSWER_BYTES })).code).toBe('ENOSPC');
    expect(b.destroyed).toEqual(['ABORT']);
    expect(b.objects).toBe(before);
    b.call(UAPI.PD, UAPI.PD.methods.DEALLOC, { handle: pd }); // nothing needs it
  });

  it('a call that meets another one on the same object gets EBUSY and does not wait (R040 R045)', () => {
    const b = new Bench();
    const widget = b.widget();
    const codes: string[] = [];
    const meet = (work: () => unknown) => {
      try {
        work();
        codes.push('');
      } catch (thrown) {
        codes.push((thrown as VerbsError).code);
      }
    };
    b.act = () => {
      b.act = () => {};
      meet(() => b.call(WIDGET, DO, { handle: widget }));
      meet(() => b.call(WIDGET, END, { handle: widget }));
      meet(() => b.call(WIDGET, DO, { handle: b.widget(), other: widget }));
      meet(() => b.call(WIDGET, DO, { handle: b.widget() }));
    };
    b.call(WIDGET, DO, { handle: widget });
    expect(codes).toEqual(['EBUSY', 'EBUSY', 'EBUSY', '']);
    b.call(WIDGET, END, { handle: widget });
  });

  it('an object that is being made is nobody’s yet (R040)', () => {
    const b = new Bench();
    let early = 0;
    b.act = ({ object }) => {
      b.act = () => {};
      early = object.handle;
      expect(b.fail(() => b.call(UAPI.PD, UAPI.PD.methods.DEALLOC, { handle: early })).code).toBe('ENOENT');
    };
    expect(b.pd()).toBe(early);
  });

  it('handles are of one context, and hardly alike between contexts (R050)', () => {
    const b = new Bench();
    const [first] = [b.context];
    const pd = b.pd();
    b.context = b.call(UAPI.DEVICE, UAPI.DEVICE.methods.OPEN, {}, { context: 0 }).context;
    expect(b.context).not.toBe(first);
    expect(b.fail(() => b.call(WIDGET, MAKE, { pd })).code).toBe('ENOENT');
    const own = Array.from({ length: 50 }, () => b.pd());
    b.context = first;
    const others = Array.from({ length: 50 }, () => b.pd());
    expect(own.filter((one) => others.includes(one))).toEqual([]);
  });

  it('the result is known when the call returns, and the answer says whose it is (R064)', () => {
    const b = new Bench();
    const order: string[] = [];
    b.act = () => void order.push('driver');
    const bytes = b.request(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { cookie: 0xfeed_f00d });
    const answer = b.send(bytes);
    order.push('answer');
    expect(order).toEqual(['driver', 'answer']);
    const { handle } = decodeAnswer(UAPI.PD.methods.ALLOC, answer.bytes);
    expect(answerCookie(answer.bytes)).toBe(0xfeed_f00d);
    expect(b.session.contexts.get(b.context)!.objects.get(handle)!.live).toBe(true);
  });

  it('says what is there: methods of the device with their numbers, and no others (R054 R016)', () => {
    const b = new Bench();
    const { methods } = b.call(UAPI.DEVICE, UAPI.DEVICE.methods.QUERY_METHODS, {});
    const names = methods.map((row) => row.name);
    expect(names).toContain('WIDGET.MAKE');
    expect(names).toContain('PD.ALLOC');
    expect(names).not.toContain('CQ.CREATE');
    for (const { object: number, method: which } of methods) {
      const bytes = patched(
        patched(b.request(UAPI.PD, UAPI.PD.methods.ALLOC, {}), 4, number as number),
        6,
        which as number,
      );
      expect(b.send(bytes).error).not.toBe(ERRNO.EPROTONOSUPPORT);
    }
  });
});

describe('declarations of a driver that clash are refused when it registers (R056)', () => {
  const quota = maybe(need.u32(0x1000, 'quota'));
  const clashes: readonly [string, Partial<Driver>, string][] = [
    ['a core number for an object', { objects: [{ schema: { ...WIDGET, id: 30 }, methods: {} }] }, 'core number'],
    ['the name of a core object', { objects: [{ schema: { ...WIDGET, name: 'PD' }, methods: {} }] }, 'twice'],
    [
      'the same number twice',
      { objects: [WIDGET, { ...WIDGET, name: 'GADGET' }].map((schema) => ({ schema, methods: {} })) },
      'twice',
    ],
    ['a core number for an attribute', { attributes: { 'PD.ALLOC': { quota: { ...quota, id: 9 } } } }, 'core number'],
    ['the number of two attributes', { attributes: { 'PD.ALLOC': { quota, share: quota } } }, 'twice'],
    ['the name of a core attribute', { attributes: { 'PD.ALLOC': { handle: quota } } }, 'core name'],
    ['an attribute of a method that does not exist', { attributes: { 'PD.SPLIT': { quota } } }, 'no core method'],
  ];

  it.each(clashes)('%s', (_, parts, text) => {
    const system = new System(() => {});
    const driver: Driver = { number: 0x2000, name: 'bad', transports: [], ops: {}, ...parts };
    let error: unknown;
    try {
      system.register(driver, { name: 'bad0' });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'EINVAL' });
    expect((error as VerbsError).facts.given).toContain(text);
    expect(system.devices.size).toBe(0);
    system.register({ number: 0x2000, name: 'good', transports: [], ops: {} }, { name: 'bad0' }); // the name is free
  });
});
