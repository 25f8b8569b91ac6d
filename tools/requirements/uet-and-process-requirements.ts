/** Sections O to Q: the Ultra Ethernet engine, its management, and how the project is kept in order. */
import { could, must, type RequirementSection, should } from './requirement.ts';

const NO_DEVICE_FILES = 'there are no device files for packets: programs use rings, and join a job by its capability';

export const UET_AND_PROCESS_REQUIREMENTS: readonly RequirementSection[] = [
  {
    letter: 'O',
    title: 'Ultra Ethernet engine',
    requirements: [
      should('R181', 'A software device speaks Ultra Ethernet over UDP.', {
        limits: 'native IP needs raw sockets and is not built yet',
      }),
      should('R182', 'Delivery is ROD, RUD, RUDI or UUD; a mode that is missing answers EOPNOTSUPP.'),
      should('R183', 'A delivery context starts with the first packet and ends when idle or in error.'),
      should('R184', 'Delivery contexts have random 16-bit ids and are found by addresses and job.'),
      should('R185', 'Looking for a free context id is bounded and fails cleanly.'),
      should('R186', 'A delivery context has eight states, and a table of what moves it.'),
      should('R187', 'Windows of sequence numbers are tracked by bitmaps, across the wrap too.'),
      should('R188', 'Sequence numbers start at random; packets carry SYN until one of them is acknowledged.'),
      should('R189', 'A full window, an unanswered first packet or a closing context holds senders back.'),
      should('R190', 'Packets without acknowledgement are sent again after a time-out, a limited number of times.'),
      should('R191', 'A packet that arrives twice is executed once and acknowledged again.'),
      should('R192', 'Acknowledgements are merged by a count of bytes that can be set.'),
      should('R193', 'A selective acknowledgement carries a 64-bit map when the cumulative one cannot move.'),
      should('R194', 'All NACK codes are known, and each has a class that says what follows.'),
      should('R195', 'A NACK goes out for unknown contexts, wrong peers, jobs, modes, numbers and SYNs.'),
      should('R196', 'An idle context is closed in an orderly way, or dropped if nobody answers.'),
      should('R197', 'The initiator alone closes and the target alone asks for it; both messages are reliable.'),
      should('R198', 'All kinds of control packets have a number and a defined reaction.'),
      should('R199', 'Codecs cover all headers of packet delivery and of the semantic layer.'),
      should('R200', 'Operations and return codes of the semantic layer are all known.'),
      should('R201', 'Every request carries a job id of 24 bits; larger ones are refused.'),
      should('R202', 'Sending into a foreign job, or to no endpoint, fails with the error of the case.'),
      should('R203', 'When a job goes, its delivery contexts end and its endpoints are free.'),
      should('R204', 'A tunnel interface per device has a name, a UDP port and statistics.', {
        reason: 'there is no tunnel interface: a device has sockets of its own, whose port is fixed when it opens',
      }),
      should('R205', 'A congestion mark comes back to the sender in acknowledgements.'),
      should('R206', 'Ultra Ethernet runs over IPv6 as over IPv4.'),
      should('R207', 'The protocol of Ultra Ethernet and the software device that hosts it are separate.'),
    ],
  },
  {
    letter: 'P',
    title: 'Ultra Ethernet management',
    requirements: [
      should('R208', 'A device instance has an id unique on its host; taken and exhausted ids are errors.'),
      should('R209', 'Management lists, adds and deletes device instances.'),
      should('R210', 'A listing of instances shows the network interface that they use.', {
        limits: 'there are no device files whose numbers could be shown',
      }),
      should('R211', 'Ids and service names of jobs are unique within an instance.'),
      should('R212', 'Management lists, adds and deletes jobs, and explains what was wrong or missing.'),
      should('R213', 'A provisioning program assigns jobs; the subsystem does not invent them.'),
      should('R214', 'On joining, a program can give its address and how often to acknowledge.', {
        reason:
          'joining takes a capability and the number of an address entry (R084, R090), never a service name; how often to ' +
          'acknowledge is a setting of the device (R192)',
      }),
      should(
        'R215',
        'An endpoint address holds IP address, capabilities, resource indices, initiator and process id.',
        {
          reason:
            'an address is an IP address and a queue pair number, which packs resource index, process id and mode (R125); ' +
            'the initiator is the source id of a queue pair, and capabilities are asked of the device (R122)',
        },
      ),
      should('R216', 'Flags of an address say which of its parts are valid, and its mode.', {
        reason:
          'an address has all of its parts, so no flag is needed for them; its mode is bit 31 of the number (R217)',
      }),
      should('R217', 'An endpoint address is either relative to a job or absolute.'),
      should('R218', 'The details of a job list all its endpoints.'),
      should('R219', 'Several endpoints may join one job.'),
      should('R220', 'Closing a context takes its endpoints out of their jobs.'),
      should('R221', 'Data reaches programs through rings of the user API, not by reading packets.'),
      should('R222', 'Reading packets from a device file answers EAGAIN, or EMSGSIZE without losing one.', {
        reason: NO_DEVICE_FILES,
      }),
    ],
  },
  {
    letter: 'Q',
    title: 'Process',
    requirements: [
      must('R223', 'Each service exists in one place, and changing it means changing one place.'),
      should('R224', 'The user API is fuzzed, with fixed seeds.'),
      should(
        'R225',
        'The first release leaves out nothing essential: documents, sublayers, user and device API, memory, IPv6.',
      ),
      could('R226', 'One conformance suite holds for all drivers.'),
      could('R227', 'What a suite skips is reported and never counts as passed.'),
      could('R228', 'After a device is gone no reference, charge or pin is left.'),
    ],
  },
];
