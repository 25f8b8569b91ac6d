/** Sections F to J: drivers, jobs, endpoints, memory and mappings. */
import { could, must, type RequirementSection, should } from './requirement.ts';

const NO_SECURITY = 'transport security is not built yet, and without it no transport has a use for such a key';

export const DRIVER_AND_JOB_REQUIREMENTS: readonly RequirementSection[] = [
  {
    letter: 'F',
    title: 'Drivers and variety of hardware',
    requirements: [
      must('R069', 'The privileged half and the user half of a driver share only calls and memory.'),
      must('R070', 'The design fits hardware: rings, doorbells, memory keys and DMA carry all data.'),
      must('R071', 'A driver may add parameters to creation, and objects and methods of its own.'),
      must('R072', 'Very different devices fit, with or without queue pairs, domains, regions and remote keys.'),
      must('R073', 'Where a common object exists a driver uses it and adds no parallel one.'),
      should('R074', 'However many attributes are private to a driver, the library hides them from programs.'),
      should('R075', 'A software transport uses the same rings, doorbells and pinned memory as hardware would.'),
      should('R076', 'A device may invent queue kinds that nobody else has.'),
      should('R077', 'Posting and polling run in the user half, without a layer of the core between.'),
      could('R078', 'The driver id of a device picks the user half; a wrong one is refused.'),
    ],
  },
  {
    letter: 'G',
    title: 'Jobs and isolation',
    requirements: [
      must('R079', 'Jobs and job keys belong to the core, and more than one transport uses them.'),
      should('R080', 'A job is an object in its own right: created, queried, listed, destroyed.'),
      should('R081', 'A job holds what all transports need, plus properties of each transport.'),
      should('R082', 'A job is made once and then realised on each device that takes part.'),
      should('R083', 'Owner and mode of a job node say who may create jobs.'),
      should('R084', 'A capability that is passed on lets its holder use a job, not create one.'),
      should('R085', 'A launcher sets up a job and hands it to its children without network rights.'),
      should('R086', "Nobody finds or guesses another user's job by number or name."),
      should('R087', 'A program cannot choose or forge the job id that its packets carry.'),
      should('R088', 'Inspection shows every job and gives access to none.'),
      should('R089', 'One helper of the core turns a job capability into the id that a driver needs.'),
      should('R090', 'One job may cover several ports and devices, with another id on each.'),
      should('R091', 'The id of a job counts within one network address; who assigns it is outside.'),
      should('R092', 'A device may limit jobs and what each of them takes up.'),
      should('R093', 'Processes that share a job cannot reach the memory of one another.'),
      should('R094', 'One process can be in more than one job.'),
      should('R095', 'A job key joins one domain with one job; a domain may have many.'),
      should('R096', 'Queue pair, job key and memory key are each checked against the domain on use.'),
      should('R097', 'A posted request may name its job key, which must be of the same domain.'),
      should('R098', 'A memory region can be restricted to one job.'),
      should('R099', 'Memory that is registered once can have one remote key per job.'),
      should('R100', 'A region can be bound to an endpoint, and the addressing mode decides the look-up.'),
      should('R101', 'Where a device allows it, the program chooses the remote key.'),
      should('R102', 'A relative endpoint number has a meaning only within its job.'),
      should('R103', 'An absolute endpoint hears all jobs and sends only to those it has a key for.'),
      should('R104', 'A receive buffer can be reserved for one job; traffic of others leaves it alone.'),
      should('R105', 'On every kind of device memory is out of reach from outside its domain.'),
      should('R106', 'What a domain covers may vary: several jobs, or one domain per direction of access.', {
        limits: 'no device has a domain for each direction of access',
      }),
      should('R107', 'A device that cannot separate processes admits a single user at a time.'),
      should('R108', 'A security key is an object of its own that jobs and queue pairs can share.', {
        reason: NO_SECURITY,
      }),
      should('R109', 'An address handle may carry a key for one process beside the key of the job.', {
        reason: NO_SECURITY,
      }),
      should('R110', 'A job can keep peer addresses that all its processes use by index.'),
      should('R111', 'A packet is matched to a job before anything else, and stays within it.'),
      should('R112', 'Each transport documents which header fields take part in matching a job.'),
      should('R113', 'Every kind of user, in-process clients included, has one defined way to a job.', {
        limits: 'there is no storage client yet: a client of the core stands for it',
      }),
      could('R114', 'A capability that only looks the same, by number or name, is refused.'),
      could('R115', 'The rights at opening count, not those of a later caller.'),
      could('R116', 'Creating raw queues, picking source numbers and steering traffic takes a right, checked first.', {
        reason: 'no device has raw packets or steering rules; their absence is reported as for any other operation',
      }),
      could('R117', 'Jobs can be exported, imported and queried; a duplicate id or freeing in use is refused.'),
      could('R118', 'Entries of the address table can be replaced; wrong indices and empty entries are errors.'),
      should('R119', 'Jobs serve connected queue pairs as well.', {
        limits: 'RoCEv2 is not built yet; connected queue pairs of the transport loop show it',
      }),
      could('R120', 'Transports differ in the width of their job key: 16, 24 or 32 bits.'),
    ],
  },
  {
    letter: 'H',
    title: 'Endpoints and messages',
    requirements: [
      should('R121', 'There is a reliable queue kind that reaches many peers without connecting.'),
      should('R122', 'Tagged receives, parts of regions, scalable endpoints and counters are optional, and queried.'),
      could('R123', 'A query tells ordering and sizes of a queue pair; a program may ask for less.'),
      could('R124', 'A reliable unconnected queue pair starts ready and has only error and reset transitions.'),
      could('R125', 'An endpoint number packs process id, resource index and mode bit; zero is valid.'),
      could('R126', 'A completion names the job and the source of the message.'),
      could('R127', 'Groups of completion counters are objects that count successes and errors.'),
      could('R128', 'A single request can name the counter that it advances.', {
        reason:
          'counters belong to a queue pair, one for each kind of operation (R127); a request has no field for one',
      }),
      should('R129', 'A reliable datagram layer in the library runs over different queue kinds unchanged.'),
      could('R130', 'Memory keys and immediate data may be 64 bits wide where a device says so.'),
    ],
  },
  {
    letter: 'I',
    title: 'Memory and DMA',
    requirements: [
      must('R131', 'Registered memory is pinned, and devices read and write it in place.'),
      must('R132', 'What an owner pins is counted, and refused beyond a limit.'),
      must('R133', 'Mapping for DMA is a service of the core, with a form for software devices.'),
      could('R134', 'Pinning that fails half way gives back what it took.'),
      could('R135', 'Access rights depend on one another, and wrong combinations are refused.'),
      could('R136', 'Pages may be faulted in on demand, and programs may give advice.', {
        reason: 'no device can take a page fault; the operation is absent, and absence is what a program is told',
      }),
      could('R137', 'Memory of devices can be exported, imported and revoked during use.', {
        reason: 'no device has memory of its own, and buffers are shared through mapped files instead of dma-buf',
      }),
      could('R138', 'Programs supply buffers for queues by one common descriptor.'),
      should('R139', 'One pinned range serves the regions of several jobs.'),
      should('R140', 'A driver for Ultra Ethernet includes the management of memory.'),
    ],
  },
  {
    letter: 'J',
    title: 'Doorbells and mappings',
    requirements: [
      must('R141', 'One service of the core maps doorbell pages into programs.'),
      must('R142', 'Mappings are tracked, and cut at removal, at reset and when a process dies.', {
        limits: 'a program of Node does not fork itself, so there is no case for a mapping that a fork copies',
      }),
      could('R143', 'Only drivers hand out offsets; a wrong one is refused, a mapped one not used again.'),
      could('R144', 'Memory of queues is mapped by the same service as doorbells.'),
      could('R145', 'A device without a mappable doorbell is rung by a call.'),
    ],
  },
];
