/** Sections A to E: what the subsystem is for, its devices, their removal, the objects and the user API. */
import { could, must, type RequirementSection, should } from './requirement.ts';

const REAL_TRANSPORTS = 'iWARP is not built yet; uet, RoCEv2 and the tutorial transport loop stand for the variety';

export const DEVICE_AND_OBJECT_REQUIREMENTS: readonly RequirementSection[] = [
  {
    letter: 'A',
    title: 'Scope',
    requirements: [
      must('R001', 'All transports share one core: one device registry, one object table, one user API.'),
      must('R002', 'Several transports run at the same time in one program, with room for many more.', {
        limits: REAL_TRANSPORTS,
      }),
      must('R003', 'A new transport is added without touching a file of the core.'),
      must('R004', 'An idea of one transport, such as the job key, is an object open to all.'),
      must('R005', 'Every feature of Ultra Ethernet is reachable through the common API, without side doors.'),
      must('R006', 'A device may speak several transports and is still driven by one driver.'),
      must('R007', 'A driver learns another transport by a small change inside its own files.'),
      must('R008', 'What two transports have in common exists once, as one type and one code path.'),
      must('R009', 'Code that serves a single transport lives in its own folder and has its own owners.'),
      should('R010', 'A program may use two transports of one device side by side, sharing domain and queue.'),
      should('R011', 'For each common object it is recorded which kinds of device have a use for it.'),
      could('R012', 'Queue kinds are registered names; kinds of a single vendor go under a driver type.'),
      should('R013', 'Each departure from the established RDMA model is written down with its lesson.'),
    ],
  },
  {
    letter: 'B',
    title: 'Devices',
    requirements: [
      must('R014', 'Devices have an identity, a life cycle, ports, attributes and a parent.'),
      must('R015', 'A device need not offer verbs; clients that need them do not see such a device.'),
      should('R016', 'An absent operation is reported in one way that differs from a failed one.'),
      should('R017', 'A query says which transports a port of a device can speak.'),
      should('R018', 'The kind of a queue pair and its transport are chosen independently of each other.', {
        limits: REAL_TRANSPORTS,
      }),
      could('R019', 'The type of the source address entry selects the transport or encapsulation.'),
      could('R020', 'Device names are unique, take the lowest free number, and can be changed.'),
      could('R021', 'A device is found by index, name or interface; an index is not soon used again.'),
      could('R022', 'Port data stays fixed after registration; address and partition entries are held by references.', {
        reason:
          'ports and address entries are part of what a driver registers, and no call changes them: a device with other ' +
          'addresses is another device, so no entry can go while somebody holds it',
      }),
      should('R023', 'Software devices appear and disappear together with their network interface.', {
        reason:
          'a software device is bound to an address and not to an interface, whose changes an ordinary program is not ' +
          'told; management adds and removes it (R209), and removal under load is R026',
      }),
      could('R024', 'Clients hear of devices coming and going in mirrored order, and fail without harming others.'),
      should('R025', 'Code inside the subsystem, a storage client for instance, uses devices without user handles.', {
        reason: 'there is no storage client yet; what it would start from, client callbacks, is R024',
      }),
    ],
  },
  {
    letter: 'C',
    title: 'Hot unplug',
    requirements: [
      must('R026', 'A device may vanish in the middle of traffic; nothing crashes and nothing hangs.'),
      must('R027', 'After a removal, open contexts are shells: everything answers EIO except destroying, which works.'),
      must('R028', 'Programs learn of a removal by DEVICE_FATAL, and every waiting reader wakes.'),
      must('R029', 'After a removal doorbells are dead: ringing one does nothing and harms nobody.'),
      must('R030', 'The steps of a removal are fixed: hide, detach clients backwards, drain, free.'),
      could('R031', 'Removal lets calls that are under way finish before it takes their objects.'),
      could('R032', 'Removing cannot fail, may be repeated, and may be asked for inside a callback.'),
      could('R033', 'Software devices too can be removed while contexts are open.'),
      should('R034', 'Taking down a management container never waits for programs that hold it open.'),
      could('R035', 'A device can be reset without removal; contexts survive and work again.'),
      could('R036', 'Plugging in again gives a different device whose index was not in use before.'),
      could('R037', 'Watchers are told the names of devices that appear and disappear.'),
    ],
  },
  {
    letter: 'D',
    title: 'Objects',
    requirements: [
      must('R038', 'Objects have typed handles, references, locks, a life cycle and an order of clean-up.'),
      should('R039', 'A catalogue lists all objects that users see and how they relate.'),
      should('R040', 'Before a method runs, its handles are checked in number, type and state, and locked.'),
      should('R041', 'Creating goes in three steps, and an error in any of them leaves nothing.'),
      should('R042', 'A call did everything that was asked, or it did nothing.'),
      should('R043', 'If results cannot be delivered to the caller, the call is undone as well.'),
      should('R044', 'Destroying allocates nothing, so shortage of memory cannot make it fail.'),
      should('R045', 'Methods may run concurrently; after a failure nobody relies on an old id.'),
      could('R046', 'Who meets a locked object gets EBUSY at once and does not wait.'),
      could('R047', 'Destroying an object that others use answers EBUSY and changes nothing.'),
      should('R048', 'When a program ends its objects go, newest first, in the end by force.'),
      could('R049', 'If a driver refuses even a forced end, the object is logged, kept and charged.'),
      could('R050', 'Handles reveal no addresses and mean nothing in any other context.'),
      should('R051', 'One endpoint may have several queues and talk to many peers.'),
      should('R052', 'Delivery contexts come and go inside a transport; they show in inspection, never as handles.'),
    ],
  },
  {
    letter: 'E',
    title: 'User API',
    requirements: [
      must('R053', 'The user API favours no driver; a device with quite different queues passes the same suite.'),
      must('R054', 'Objects, methods and attributes are extensible, and drivers can add their own.'),
      must('R055', 'The same call creates a queue pair of any transport.', { limits: REAL_TRANSPORTS }),
      should('R056', 'Attribute numbers of the core and of drivers come from separate ranges.'),
      should('R057', 'No attribute contains another; lists are arrays of fixed structures.'),
      should('R058', 'One declared schema drives parsing, checking and documentation.'),
      could('R059', 'An unknown attribute is skipped unless marked mandatory; a longer structure may end in zeros.'),
      should('R060', 'An error says in words and data which attribute is wrong and why.'),
      should('R061', 'A program gets events of its own objects and of no others.'),
      should('R062', 'Programs use one common library; it does not offer the calls beneath.'),
      should('R063', 'A small request is handled without building messages and with a single copy.', {
        reason:
          'calls are always bytes, so that all callers share one dispatcher (decisions/0012); the data path has no calls, ' +
          'and `npm run bench -- control` measures what one costs',
      }),
      should('R064', 'When a call returns, its outcome is final.'),
      could('R065', 'Numbers of the ABI are only ever added; features are bits, not versions.'),
      could('R066', 'Data meant for a driver is decoded strictly: its length and every unused bit count.'),
      could('R067', 'Flags that must be understood and flags that may be skipped are separate fields.'),
      could('R068', 'One context may have several event channels, and objects choose theirs.'),
    ],
  },
];
