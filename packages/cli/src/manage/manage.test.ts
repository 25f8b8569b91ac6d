import { runHosts } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { DEV_COMMAND } from '../commands/dev.ts';
import { JOB_COMMAND } from '../commands/job.ts';
import { LINK_COMMAND } from '../commands/link.ts';
import { MONITOR_COMMAND } from '../commands/monitor.ts';
import { RESOURCE_COMMAND } from '../commands/resource.ts';
import { STATISTIC_COMMAND } from '../commands/statistic.ts';
import { SYSTEM_COMMAND } from '../commands/system.ts';
import { BadInput } from '../failure.ts';
import { ManageRig } from './manage-rig.testdata.ts';

/** A host on which program 4711 sends itself a message through a queue pair. */
function busy(): ManageRig {
  const rig = new ManageRig();
  const context = rig.host.program({ pid: 4711, uid: 1000, name: 'perf' }).open('uet0');
  const pd = context.allocatePd();
  const cq = context.createCompletionQueue({ entries: 255 });
  const jobKey = pd.createJobKey(context.createJob({ id: 7, name: 'training' }));
  const region = pd.registerMemory(context.allocate(4096), { access: ['local-write'] });
  const depth = { sendDepth: 8, receiveDepth: 8 };
  const qp = pd.createQueuePair({ type: 'RU', qpn: 17, sendCq: cq, recvCq: cq, jobKey, ...depth });
  qp.postReceive({ region });
  const to = pd.createAddressHandle({ address: '10.0.0.1', qpn: qp.qpn });
  qp.post({ opcode: 'send', to, region, length: 64 });
  runHosts([rig.host]);
  return rig;
}

describe('text of the management commands, in the manner of rdma(8) (R159, verbs 8.5)', () => {
  it('dev', async () => {
    const rig = busy();
    expect(await rig.run(DEV_COMMAND, '')).toMatchInlineSnapshot(`
      [
        "1: uet0: node_type ca fw 0.1.0 node_guid 0256:12b9:0a00:0001 sys_image_guid 0256:12b9:0a00:0001",
        "2: dual0: node_type ca fw 0.1.0 node_guid 0256:12b9:0a00:0002 sys_image_guid 0256:12b9:0a00:0002",
      ]
    `);
    expect(await rig.run(DEV_COMMAND, 'show uet0', { details: true })).toMatchInlineSnapshot(`
      [
        "1: uet0: node_type ca fw 0.1.0 node_guid 0256:12b9:0a00:0001 sys_image_guid 0256:12b9:0a00:0001 driver soft transports uet state ACTIVE netns init contexts 1",
      ]
    `);
  });

  it('link', async () => {
    const rig = busy();
    expect(await rig.run(LINK_COMMAND, 'show')).toMatchInlineSnapshot(`
      [
        "link uet0/1 state ACTIVE physical_state LINK_UP address 10.0.0.1 type UET/UDP",
        "link dual0/1 state ACTIVE physical_state LINK_UP address 10.0.0.2 type UET/UDP",
        "link dual0/2 state ACTIVE physical_state LINK_UP address fd00::2 type Loop/UDP",
      ]
    `);
    expect(await rig.run(LINK_COMMAND, 'show dual0/2', { details: true })).toMatchInlineSnapshot(`
      [
        "link dual0/2 state ACTIVE physical_state LINK_UP address fd00::2 type Loop/UDP gid_index 1 udp_port 4799 mtu 1024 link_layer Ethernet transports loop io_level simulated",
      ]
    `);
  });

  it('resource', async () => {
    const rig = busy();
    expect(await rig.run(RESOURCE_COMMAND, '')).toMatchInlineSnapshot(`
      [
        "1: uet0: ctx 1 pd 1 channel 0 cq 1 qp 1 srq 0 ah 1 mr 1 mw 0 events 0 counter 0 job 1 job_key 1 umem 0 pdc 2",
        "2: dual0: ctx 0 pd 0 channel 0 cq 0 qp 0 srq 0 ah 0 mr 0 mw 0 events 0 counter 0 job 0 job_key 0 umem 0 pdc 0",
      ]
    `);
    expect(await rig.run(RESOURCE_COMMAND, 'show uet0', { details: true })).toMatchInlineSnapshot(`
      [
        "1: uet0: ctx 1/4096 pd 1/16384 channel 0 cq 1/16384 qp 1/16384 srq 0/4096 ah 1/32768 mr 1/32768 mw 0/16384 events 0 counter 0/4096 job 1/4096 job_key 1/4096 umem 0 pdc 2",
      ]
    `);
    expect(await rig.run(RESOURCE_COMMAND, 'show qp lqpn 17 pid 4711')).toEqual([
      'link uet0/1 lqpn 17 type RU state RTS pid 4711 comm perf',
    ]);
    expect(await rig.run(RESOURCE_COMMAND, 'show all dev uet0')).toMatchInlineSnapshot(`
      [
        "dev uet0 ctxn 1 uid 1000 objects 8 pid 4711 comm perf",
        "dev uet0 pdn 1 users 4 ctxn 1 pid 4711 comm perf",
        "dev uet0 cqn 1 cqe 256 users 2 ctxn 1 pid 4711 comm perf",
        "link uet0/1 lqpn 17 type RU state RTS pid 4711 comm perf",
        "dev uet0 ahn 1 qpn 17 pdn 1 ctxn 1 pid 4711 comm perf",
        "dev uet0 mrn 1 mrlen 4096 pdn 1 ctxn 1 pid 4711 comm perf",
        "dev uet0 jobn 1 job 7 name training addresses 0 ctxn 1 pid 4711 comm perf",
        "dev uet0 keyn 1 job 7 pdn 1 ctxn 1 pid 4711 comm perf",
        "dev uet0 pdcn 27058 remote_id 40998 mode rud role target state ESTABLISHED peer 10.0.0.1 in_flight 0 window 64",
        "dev uet0 pdcn 40998 remote_id 27058 mode rud role initiator state ESTABLISHED peer 10.0.0.1 in_flight 0 window 65",
      ]
    `);
    expect(await rig.run(RESOURCE_COMMAND, 'show qp', { details: true })).toMatchInlineSnapshot(`
      [
        "link uet0/1 lqpn 17 type RU state RTS id 1 handle 2109800454 ctx 1 uses 0 pd 1 transport uet gid_index 0 job 7 ordered off send_cq 1 recv_cq 1 sends_in_flight 0 receives_in_flight 0 pid 4711 comm perf",
      ]
    `);
  });

  it('statistic', async () => {
    const rig = busy();
    expect(await rig.run(STATISTIC_COMMAND, '')).toMatchInlineSnapshot(`
      [
        "dev uet0 steps 3 doorbells 1 sent_packets 2 received_packets 2 sent_requests 1 received_requests 1 sent_acks 1 received_acks 1 contexts_opened 1 contexts_accepted 1 messages_sent 1 messages_received 1 qp_sends_done 1 qp_receives_done 1",
        "dev dual0 steps 3",
      ]
    `);
    expect(await rig.run(STATISTIC_COMMAND, 'qp show link uet0/1')).toMatchInlineSnapshot(`
      [
        "link uet0/1 lqpn 17 type RU pid 4711 comm perf sends_done 1 receives_done 1",
      ]
    `);
    expect(await rig.run(STATISTIC_COMMAND, 'show qp lqpn 1-16')).toEqual([]);
  });

  it('system', async () => {
    const rig = busy();
    expect(await rig.run(SYSTEM_COMMAND, '')).toMatchInlineSnapshot(`
      [
        "netns shared version 1 own_netns init namespaces init devices 2 max_devices 256 sessions 2 jobs 1 groups 1 max_groups 1024 max_message_bytes 65536",
      ]
    `);
    expect(await rig.run(SYSTEM_COMMAND, 'show sessions')).toMatchInlineSnapshot(`
      [
        "session 1 pid 9 uid 0 comm verbena netns init group / contexts 0 rights admin,job,raw memlock 0 memlock_max unlimited",
        "session 2 pid 4711 uid 1000 comm perf netns init group / contexts 1 rights admin,job,raw memlock 4096 memlock_max unlimited",
      ]
    `);
    await rig.run(SYSTEM_COMMAND, 'set group /tenants/a dev uet0 hca_object 100');
    await rig.run(SYSTEM_COMMAND, 'set pid 4711 group /tenants/a');
    expect(await rig.run(SYSTEM_COMMAND, 'show group /tenants')).toMatchInlineSnapshot(`
      [
        "group /tenants",
        "group /tenants/a dev uet0 hca_handle 0 hca_handle_peak 0 hca_handle_max max hca_handle_hits 0 hca_handle_subtree_hits 0 hca_object 0 hca_object_peak 0 hca_object_max 100 hca_object_hits 0 hca_object_subtree_hits 0 mr_mem 0 mr_mem_peak 0 mr_mem_max max mr_mem_hits 0 mr_mem_subtree_hits 0",
      ]
    `);
    await expect(rig.run(SYSTEM_COMMAND, 'delete group /tenants/a')).rejects.toThrow('EBUSY');
  });

  it('job', async () => {
    const rig = busy();
    await rig.run(JOB_COMMAND, 'add 9 name launch addresses 64');
    expect(await rig.run(JOB_COMMAND, '')).toMatchInlineSnapshot(`
      [
        "job 7 name training netns init uid 1000 addresses 0 endpoints 1 devices uet0 gid_index 0 pid 4711",
        "job 9 name launch netns init uid 0 addresses 0 endpoints 0 devices - pid 9",
      ]
    `);
    expect(await rig.run(JOB_COMMAND, 'show training', { details: true })).toMatchInlineSnapshot(`
      [
        "job 7 name training netns init pid 4711 uid 1000 kept off devices uet0 gid_index 0 holders pid 4711 comm perf addresses 0 endpoints uet0 gid_index 0 qpn 17 pid 4711 comm perf",
      ]
    `);
    expect((await rig.run(JOB_COMMAND, 'export 9')).join('')).toMatch(/^[0-9a-f]{64}$/);
    await rig.run(JOB_COMMAND, 'delete 9');
    await expect(rig.run(JOB_COMMAND, 'delete 9')).rejects.toThrow('ENOENT');
  });
});

describe('JSON of the management commands: one document per line, with stable keys (R158 R159)', () => {
  it('dev, link, resource', async () => {
    const rig = busy();
    const json = { json: true };
    expect(await rig.run(DEV_COMMAND, 'show dual0', json)).toMatchInlineSnapshot(`
      [
        "{"ifindex":2,"dev":"dual0","node_type":"ca","fw":"0.1.0","node_guid":"025612b90a000002","sys_image_guid":"025612b90a000002","driver":"soft","transports":["uet","loop"],"state":"ACTIVE","netns":"init","contexts":0}",
      ]
    `);
    expect(await rig.run(LINK_COMMAND, 'show dual0', json)).toMatchInlineSnapshot(`
      [
        "{"ifindex":2,"dev":"dual0","port":1,"state":"ACTIVE","physical_state":"LINK_UP","address":"10.0.0.2","gid_index":0,"type":"UET/UDP","udp_port":4793,"mtu":1024,"link_layer":"Ethernet","transports":["uet"],"io_level":"simulated"}",
        "{"ifindex":2,"dev":"dual0","port":2,"state":"ACTIVE","physical_state":"LINK_UP","address":"fd00::2","gid_index":1,"type":"Loop/UDP","udp_port":4799,"mtu":1024,"link_layer":"Ethernet","transports":["loop"],"io_level":"simulated"}",
      ]
    `);
    expect(await rig.run(RESOURCE_COMMAND, 'show qp', json)).toMatchInlineSnapshot(`
      [
        "{"dev":"uet0","kind":"qp","id":1,"handle":2109800454,"ctx":1,"pid":4711,"comm":"perf","uses":0,"pd":1,"qpn":17,"port":1,"type":"RU","state":"RTS","transport":"uet","gid_index":0,"job":7,"ordered":false,"send_cq":1,"recv_cq":1,"sends_in_flight":0,"receives_in_flight":0}",
      ]
    `);
    expect(await rig.run(RESOURCE_COMMAND, 'show pdc', json)).toMatchInlineSnapshot(`
      [
        "{"dev":"uet0","kind":"pdc","gid_index":0,"transport":"uet","peer":"10.0.0.1","peer_port":4793,"id":27058,"remote_id":40998,"mode":"rud","role":"target","state":"ESTABLISHED","tx_base":1952328330,"tx_next":1952328330,"tx_range":1024,"in_flight":0,"lost":0,"window":64,"rx_cack":1952328330,"rx_highest":1952328330,"rx_range":1024,"srtt_ns":0}",
        "{"dev":"uet0","kind":"pdc","gid_index":0,"transport":"uet","peer":"10.0.0.1","peer_port":4793,"id":40998,"remote_id":27058,"mode":"rud","role":"initiator","state":"ESTABLISHED","job":7,"tx_base":1952328331,"tx_next":1952328331,"tx_range":1024,"in_flight":0,"lost":0,"window":65,"rx_cack":1952328329,"rx_highest":1952328329,"rx_range":1024,"srtt_ns":0}",
      ]
    `);
  });

  it('jobs', async () => {
    const rig = busy();
    expect(await rig.run(JOB_COMMAND, 'show', { json: true })).toMatchInlineSnapshot(`
      [
        "{"job":7,"name":"training","netns":"init","pid":4711,"uid":1000,"kept":false,"devices":["uet0 gid_index 0"],"holders":["pid 4711 comm perf"],"addresses":0,"endpoints":["uet0 gid_index 0 qpn 17 pid 4711 comm perf"],"endpoint_count":1}",
      ]
    `);
  });
});

describe('filters (R158)', () => {
  it('take names and values as words or options, ranges and lists', async () => {
    const rig = busy();
    const count = async (words: string, filter = {}) => (await rig.run(RESOURCE_COMMAND, words, { filter })).length;
    expect(await count('show qp lqpn 0-17')).toBe(1);
    expect(await count('show qp lqpn 18-99')).toBe(0);
    expect(await count('show qp link uet0/1')).toBe(1);
    expect(await count('show qp link uet0/2')).toBe(0);
    expect(await count('show mr pdn 1')).toBe(1);
    expect(await count('show ctx ctxn 1')).toBe(1);
    expect(await count('show all', { comm: 'perf' })).toBe(8);
    expect(await count('show all dev dual0')).toBe(0);
  });
});

describe('changes', () => {
  it('reach the system: add, rename, reset, delete (R209)', async () => {
    const rig = new ManageRig();
    const names = () => [...rig.host.system.devices.values()].map(({ name }) => name);
    expect(await rig.run(LINK_COMMAND, 'add uet1 type uet netdev 10.0.0.9', { json: true })).toEqual([
      '{"ifindex":3,"name":"uet1"}',
    ]);
    await rig.run(DEV_COMMAND, 'set uet1 name left');
    await rig.run(DEV_COMMAND, 'reset left');
    expect(names()).toEqual(['uet0', 'dual0', 'left']);
    await rig.run(LINK_COMMAND, 'del left');
    expect(names()).toEqual(['uet0', 'dual0']);
    await rig.run(SYSTEM_COMMAND, 'set netns exclusive');
    expect(rig.host.system.namespaceMode).toBe('exclusive');
  });

  it('need a right, and say so (R160)', async () => {
    const rig = new ManageRig();
    const { session } = rig.host.program({ uid: 1000, rights: { admin: false, job: false, raw: false } });
    await expect(rig.run(DEV_COMMAND, 'delete uet0', { session })).rejects.toThrow(/EPERM .* 'admin'/);
    expect(await rig.run(DEV_COMMAND, 'show', { session })).toHaveLength(2);
  });

  it('refuse words that they do not know, with the forms that there are', async () => {
    const rig = new ManageRig();
    const wrong: readonly [typeof DEV_COMMAND, string][] = [
      [DEV_COMMAND, 'frob'],
      [DEV_COMMAND, 'set uet0'],
      [DEV_COMMAND, 'set uet0 colour red'],
      [DEV_COMMAND, 'set uet0 name'],
      [DEV_COMMAND, 'add uet1'],
      [DEV_COMMAND, 'show uet0 dual0'],
      [DEV_COMMAND, 'delete'],
      [LINK_COMMAND, 'show uet0/x'],
      [RESOURCE_COMMAND, 'show frobs'],
      [RESOURCE_COMMAND, 'show qp lqpn'],
      [RESOURCE_COMMAND, 'show qp lqpn 1 lqpn 2'],
      [SYSTEM_COMMAND, 'set netns private'],
      [SYSTEM_COMMAND, 'set group /a hca_object 1'],
      [SYSTEM_COMMAND, 'set pid x group /a'],
      [SYSTEM_COMMAND, 'show things'],
      [JOB_COMMAND, 'add'],
      [JOB_COMMAND, 'add 7 colour red'],
      [JOB_COMMAND, 'add 99999999999'],
      [MONITOR_COMMAND, 'devices more'],
    ];
    for (const [command, words] of wrong) {
      const thrown = await rig.run(command, words).catch((error: unknown) => error);
      expect(thrown, words).toBeInstanceOf(BadInput);
      expect((thrown as BadInput).hint, words).toContain(`verbena ${command.name}`);
    }
  });
});

describe('monitor (R161 R167)', () => {
  it('shows events as they come, and ends after as many as asked for', async () => {
    const rig = new ManageRig();
    rig.onWait = () => {
      rig.host.plug('x%d', [{ transport: rig.uet, address: '10.0.0.7' }]);
      rig.host.system.rename(rig.host.system.find('x0')!, 'left');
      rig.host.unplug(rig.host.system.find('left')!);
    };
    expect(await rig.run(MONITOR_COMMAND, '', { count: 3 })).toEqual([
      '[REGISTER] dev 3 x0 netns init',
      '[RENAME] dev 3 left before x0 netns init',
      '[UNREGISTER] dev 3 left netns init',
    ]);
    expect(rig.session.feeds.size).toBe(0);
  });

  it('traces the management channel', async () => {
    const rig = new ManageRig();
    const other = rig.host.program({ pid: 5, name: 'other' }).session;
    rig.onWait = () => void rig.run(DEV_COMMAND, 'set uet0 name left', { session: other });
    expect(await rig.run(MONITOR_COMMAND, 'trace', { count: 1 })).toEqual([
      'DEV.SET at_ns 0 pid 5 comm other request {"device":"uet0","name":"left"} answer {} answer_bytes 16',
    ]);
  });
});

it('prints names that programs choose without letting them move the cursor or forge lines', async () => {
  const rig = new ManageRig();
  rig.host.program({ pid: 66, name: 'x\u001b[2J\nlink uet0/1' }).open('uet0');
  expect(await rig.run(RESOURCE_COMMAND, 'show ctx')).toEqual([
    'dev uet0 ctxn 1 uid 0 objects 1 pid 66 comm x\\u001b[2J\\u000alink uet0/1',
  ]);
});
