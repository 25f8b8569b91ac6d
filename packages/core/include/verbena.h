/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user API of Verbena. Made from the schema by `npm run uapi`: change the schema, not this file.
 *
 * A request and its answer are one message each. Attributes hold their values; memory and descriptors travel beside
 * the message, over a socket as SCM_RIGHTS, and attributes name them by position. All numbers are little-endian.
 * docs/uapi.md is the reference; example.c beside this file is a program that uses it.
 */
#ifndef VERBENA_H
#define VERBENA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "this header is for little-endian machines"
#endif

#ifdef __cplusplus
extern "C" {
#define VB_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type)
#else
#define VB_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#endif

/* ---- Sizes and limits ---- */

#define VB_REQUEST_BYTES 32
#define VB_ANSWER_BYTES 16
#define VB_ATTRIBUTE_BYTES 8
#define VB_MAX_MESSAGE_BYTES 65536
#define VB_ATTRIBUTE_MANDATORY 1
#define VB_DRIVER_IDS 4096

/* ---- Messages ---- */

/* In front of the attributes of a request. */
struct vb_request {
	uint32_t length; /* of the whole message */
	uint16_t object;
	uint16_t method;
	uint16_t attributes; /* how many follow */
	uint16_t reserved0;
	uint32_t context; /* 0 before a device is open */
	uint32_t driver; /* as DEVICE.OPEN gave it; 0 without a context */
	uint32_t cookie; /* comes back in the answer */
	uint32_t room; /* most bytes of the answer that are taken */
	uint32_t reserved1;
} __attribute__((packed));
VB_SIZE(struct vb_request, 32);

/* In front of the attributes of an answer. */
struct vb_answer {
	uint32_t length; /* of the whole message */
	uint16_t error; /* 0, or one of VB_E*: then the attributes are texts, VB_ERROR_* */
	uint16_t attributes; /* how many follow */
	uint32_t cookie;
	uint32_t reserved;
} __attribute__((packed));
VB_SIZE(struct vb_answer, 16);

/* In front of a value, which is padded to 8 bytes. */
struct vb_attribute {
	uint16_t id;
	uint16_t flags; /* VB_ATTRIBUTE_MANDATORY: fail where the attribute is not known */
	uint32_t length; /* of the value, without padding */
} __attribute__((packed));
VB_SIZE(struct vb_attribute, 8);

/* ---- Error numbers: those of Linux ---- */

#define VB_EPERM 1
#define VB_ENOENT 2
#define VB_EIO 5
#define VB_ENXIO 6
#define VB_EBADF 9
#define VB_EAGAIN 11
#define VB_ENOMEM 12
#define VB_EACCES 13
#define VB_EFAULT 14
#define VB_EBUSY 16
#define VB_EEXIST 17
#define VB_ENODEV 19
#define VB_EINVAL 22
#define VB_ENFILE 23
#define VB_ENOSPC 28
#define VB_ENODATA 61
#define VB_EOVERFLOW 75
#define VB_ENOTUNIQ 76
#define VB_EMSGSIZE 90
#define VB_EPROTONOSUPPORT 93
#define VB_EOPNOTSUPP 95
#define VB_EADDRINUSE 98
#define VB_EADDRNOTAVAIL 99
#define VB_ETIMEDOUT 110
#define VB_ECONNREFUSED 111

/* ---- Texts of an error, attributes of the answer ---- */

#define VB_ERROR_CALL 0
#define VB_ERROR_PROBLEM 1
#define VB_ERROR_OBJECT 2
#define VB_ERROR_GIVEN 3
#define VB_ERROR_MISSING 4
#define VB_ERROR_TRY 5
#define VB_ERROR_SEE 6

/* ---- Structures inside attributes ---- */

/* memory that the program gives */
struct vb_memory {
	uint32_t kind;
	uint32_t index;
	uint64_t offset;
	uint64_t length;
} __attribute__((packed));
VB_SIZE(struct vb_memory, 24);

/* where a peer is */
struct vb_address {
	uint8_t address[16];
	uint32_t port;
	uint32_t sgid_index;
} __attribute__((packed));
VB_SIZE(struct vb_address, 24);

/* ---- How memory is named ---- */

#define VB_MEMORY_KIND_ATTACHMENT 0
#define VB_MEMORY_KIND_UMEM 1

/* ---- Objects ---- */

#define VB_OBJECT_DEVICE 0 /* A device, and a program’s view of it. */
#define VB_OBJECT_PD 1 /* Protection domain: memory, queues, addresses and job keys of one domain work together, and with nothing else. */
#define VB_OBJECT_COMP_CHANNEL 2 /* Completion channel: one place to wait for many completion queues. */
#define VB_OBJECT_CQ 3 /* Completion queue: where results appear. */
#define VB_OBJECT_QP 4 /* Queue pair: where work is posted. Its kind says how it behaves, its address entry which protocol carries it. */
#define VB_OBJECT_SRQ 5 /* Shared receive queue: receives that many queue pairs take from. */
#define VB_OBJECT_AH 6 /* Address handle: a peer, as requests name it. */
#define VB_OBJECT_MR 7 /* Memory region: memory that the device may reach, with rights, under keys. */
#define VB_OBJECT_MW 8 /* Memory window: a part of a region that work requests open and close to peers. */
#define VB_OBJECT_ASYNC_EVENT 0x10 /* Event file: what happens to the objects of a context, and to its device. Every context has one from the start. */
#define VB_OBJECT_COMP_CNTR 0x13 /* Completion counter: successes and errors as two numbers. */
#define VB_OBJECT_JOB 0x14 /* Job: processes that may talk to each other. Made by a privileged party, handed on as a capability. */
#define VB_OBJECT_JKEY 0x15 /* Job key: a protection domain’s part in a job. */
#define VB_OBJECT_UMEM 0x16 /* User memory: a mapping that the program shares once, and names parts of in other calls. */
#define VB_OBJECT_DEV 0x100 /* Devices, as an administrator sees them. */
#define VB_OBJECT_LINK 0x101 /* Ports of devices and their address entries. */
#define VB_OBJECT_RESOURCE 0x102 /* Objects of all programs, as tools see them. */
#define VB_OBJECT_STATISTIC 0x103 /* What devices count. */
#define VB_OBJECT_SYSTEM 0x104 /* What holds for all devices: namespaces, sessions of programs, resource groups. */
#define VB_OBJECT_JOBS 0x105 /* Jobs of the system, for launchers: who makes them need not have a device open. */
#define VB_OBJECT_MONITOR 0x106 /* Devices that come, go and change, as it happens. */
#define VB_OBJECT_TRACE 0x107 /* Requests and answers of the management channel, for debugging. Capabilities are not shown. */
#define VB_OBJECT_SECDOM 0x108 /* Secure domains: whose packets are protected together. Keys come in and are never shown. */
#define VB_OBJECT_CAPTURE 0x109 /* Frames that a device sends and receives, as they stand on the wire. One for each connection, few for each system. */

/* ---- DEVICE ---- */

#define VB_DEVICE_LIST 0 /* Lists the devices that the caller may see. */
#define VB_DEVICE_LIST__DEVICES 0 /* rows, out: name, index, driver, transports, ports, state */

#define VB_DEVICE_OPEN 1 /* Opens a device: makes a context, to which everything else belongs. */
#define VB_DEVICE_OPEN__DEVICE 0 /* text, optional, in: name, or index in digits; the only device when left out */
#define VB_DEVICE_OPEN__RIGHTS 1 /* flags, optional, in: rights to keep; all that the caller has when left out */
#define VB_DEVICE_OPEN__RIGHTS__ADMIN 1u
#define VB_DEVICE_OPEN__RIGHTS__JOB 2u
#define VB_DEVICE_OPEN__RIGHTS__RAW 4u
#define VB_DEVICE_OPEN__LINK 2 /* u32, optional, in: attachment: a descriptor of the device that this one belongs to */
#define VB_DEVICE_OPEN__CONTEXT 3 /* u32, out: number of the context, for headers */
#define VB_DEVICE_OPEN__WAKE 4 /* u32, out: what is woken when an asynchronous event comes */
#define VB_DEVICE_OPEN__PAGE 5 /* size, out: offset of the doorbell page, for MAP; 0 for a device without */
#define VB_DEVICE_OPEN__PAGE_BYTES 6 /* size, out: its length */
#define VB_DEVICE_OPEN__DRIVER 7 /* u32, out: number of the driver, which the user half must know */
#define VB_DEVICE_OPEN__FEATURES 8 /* u32, out: bits of what the system can do: 1 hints are ignored when unknown, 2 driver data is checked */
#define VB_DEVICE_OPEN__EVENTS 9 /* u32, out: handle of the default event file */

#define VB_DEVICE_CLOSE 2 /* Closes the context: destroys all of its objects, newest first. */

#define VB_DEVICE_QUERY 3 /* Attributes and limits. */
#define VB_DEVICE_QUERY__ATTRIBUTES 0 /* row, out: name and value of each */

#define VB_DEVICE_QUERY_PORT 4 /* State and limits of one port. */
#define VB_DEVICE_QUERY_PORT__PORT 0 /* u32, optional, in: from 1; the first when left out */
#define VB_DEVICE_QUERY_PORT__ATTRIBUTES 1 /* row, out: name and value of each */

#define VB_DEVICE_QUERY_GID_TABLE 5 /* Address entries: index, port, address, type. */
#define VB_DEVICE_QUERY_GID_TABLE__ENTRIES 0 /* rows, out: index, port, gid, type, udp_port */

#define VB_DEVICE_QUERY_QP_SEMANTICS 6 /* What a kind of queue pair promises. */
#define VB_DEVICE_QUERY_QP_SEMANTICS__TYPE 0 /* choice, in: kind of queue pair */
#define VB_DEVICE_QUERY_QP_SEMANTICS__TYPE__GSI 1u
#define VB_DEVICE_QUERY_QP_SEMANTICS__TYPE__RC 2u
#define VB_DEVICE_QUERY_QP_SEMANTICS__TYPE__UC 3u
#define VB_DEVICE_QUERY_QP_SEMANTICS__TYPE__UD 4u
#define VB_DEVICE_QUERY_QP_SEMANTICS__TYPE__RU 0xbu
#define VB_DEVICE_QUERY_QP_SEMANTICS__TYPE__DRIVER 0xffu
#define VB_DEVICE_QUERY_QP_SEMANTICS__SGID_INDEX 1 /* u32, optional, in: address entry; the first when left out */
#define VB_DEVICE_QUERY_QP_SEMANTICS__SEMANTICS 2 /* row, out: ordering, largest ordered sizes, payload of a packet, immediate data */

#define VB_DEVICE_INFO_HANDLES 7 /* Live handles of one kind in this context. */
#define VB_DEVICE_INFO_HANDLES__OBJECT 0 /* u32, in: number of the object in the schema */
#define VB_DEVICE_INFO_HANDLES__HANDLES 1 /* numbers, out: handles, oldest first */
#define VB_DEVICE_INFO_HANDLES__MORE 2 /* u32, out: how many more there are */

#define VB_DEVICE_QUERY_METHODS 8 /* What this device has: every object and method that is not absent. */
#define VB_DEVICE_QUERY_METHODS__METHODS 0 /* rows, out: object, method, and their numbers */

#define VB_DEVICE_QUERY_PATH 9 /* The address behind a path that a completion names. */
#define VB_DEVICE_QUERY_PATH__PATH 0 /* u32, in: path */
#define VB_DEVICE_QUERY_PATH__SGID_INDEX 1 /* u32, optional, in: address entry; the first when left out */
#define VB_DEVICE_QUERY_PATH__ADDRESS 2 /* bytes, optional, out: 16 bytes */
#define VB_DEVICE_QUERY_PATH__PORT 3 /* u32, optional, out: UDP port */

#define VB_DEVICE_MAP 10 /* Maps what the device offers at an offset: a doorbell page, a queue. It travels as attachment 0. */
#define VB_DEVICE_MAP__OFFSET 0 /* size, in: as another call gave it */
#define VB_DEVICE_MAP__LENGTH 1 /* size, in: exactly the length of the entry */

#define VB_DEVICE_UNMAP 11 /* Ends a mapping; the offset is not given out again before. */
#define VB_DEVICE_UNMAP__OFFSET 0 /* size, in: as another call gave it */

#define VB_DEVICE_COUNTERS 12 /* What was counted so far. */
#define VB_DEVICE_COUNTERS__COUNTERS 0 /* row, out: name and value of each */

#define VB_DEVICE_KICK 13 /* A doorbell by call, for devices or programs without a mapped page. */
#define VB_DEVICE_KICK__SLOT 0 /* u32, in: doorbell number of a queue */

/* ---- PD ---- */

#define VB_PD_ALLOC 0 /* Makes a protection domain. */
#define VB_PD_ALLOC__HANDLE 0 /* handle, out: the domain */

#define VB_PD_DEALLOC 1 /* Ends it; refused while something is made from it. */
#define VB_PD_DEALLOC__HANDLE 0 /* handle, in: the domain */

/* ---- COMP_CHANNEL ---- */

#define VB_COMP_CHANNEL_CREATE 0 /* Makes a channel. */
#define VB_COMP_CHANNEL_CREATE__HANDLE 0 /* handle, out: the channel */
#define VB_COMP_CHANNEL_CREATE__WAKE 1 /* u32, out: what is woken when a queue of the channel has news */

#define VB_COMP_CHANNEL_READ 1 /* Takes events: handles of the queues that have news. */
#define VB_COMP_CHANNEL_READ__HANDLE 0 /* handle, in: the channel */
#define VB_COMP_CHANNEL_READ__QUEUES 1 /* numbers, out: handles of completion queues */

#define VB_COMP_CHANNEL_DESTROY 2 /* Ends it; refused while a completion queue refers to it. */
#define VB_COMP_CHANNEL_DESTROY__HANDLE 0 /* handle, in: the channel */

/* ---- CQ ---- */

#define VB_CQ_CREATE 0 /* Makes a completion queue. */
#define VB_CQ_CREATE__RING 0 /* struct, optional, in: memory of the ring; devices with rings of another kind take none */
#define VB_CQ_CREATE__ENTRIES 1 /* u32, in: a power of two */
#define VB_CQ_CREATE__CHANNEL 2 /* handle, optional, in: channel that is told of news */
#define VB_CQ_CREATE__EVENTS 3 /* handle, optional, in: event file for its events; the default one when left out */
#define VB_CQ_CREATE__HANDLE 4 /* handle, out: the queue */
#define VB_CQ_CREATE__WAKE 5 /* u32, out: what is woken when it is armed and has news */

#define VB_CQ_DESTROY 1 /* Ends it; refused while a queue uses it. */
#define VB_CQ_DESTROY__HANDLE 0 /* handle, in: the queue */

#define VB_CQ_MODIFY 2 /* Moderation: how many completions, or how long, before the program is woken. */
#define VB_CQ_MODIFY__HANDLE 0 /* handle, in: the queue */
#define VB_CQ_MODIFY__COUNT 1 /* u32, in: completions; 0 or 1 wakes for each */
#define VB_CQ_MODIFY__PERIOD_US 2 /* u32, in: longest delay, µs; 0 for none */

#define VB_CQ_RESIZE 3 /* Moves the queue to another ring; what was not taken moves along. */
#define VB_CQ_RESIZE__HANDLE 0 /* handle, in: the queue */
#define VB_CQ_RESIZE__RING 1 /* struct, in: memory of the new ring */
#define VB_CQ_RESIZE__ENTRIES 2 /* u32, in: a power of two */
#define VB_CQ_RESIZE__CONSUMED 3 /* u32, in: index up to which the program has taken entries */
#define VB_CQ_RESIZE__PRODUCED 4 /* u32, out: index of the newest entry in the new ring */

#define VB_CQ_QUERY 4 /* State of the queue. */
#define VB_CQ_QUERY__HANDLE 0 /* handle, in: the queue */
#define VB_CQ_QUERY__ATTRIBUTES 1 /* row, out: entries, failed, moderation */

/* ---- QP ---- */

#define VB_QP_CREATE 0 /* Makes a queue pair. */
#define VB_QP_CREATE__PD 0 /* handle, optional, in: protection domain; devices without protection domains take none */
#define VB_QP_CREATE__TYPE 1 /* choice, in: kind */
#define VB_QP_CREATE__TYPE__GSI 1u
#define VB_QP_CREATE__TYPE__RC 2u
#define VB_QP_CREATE__TYPE__UC 3u
#define VB_QP_CREATE__TYPE__UD 4u
#define VB_QP_CREATE__TYPE__RU 0xbu
#define VB_QP_CREATE__TYPE__DRIVER 0xffu
#define VB_QP_CREATE__SEND_CQ 2 /* handle, optional, in: where sends complete */
#define VB_QP_CREATE__RECV_CQ 3 /* handle, optional, in: where receives complete */
#define VB_QP_CREATE__SRQ 4 /* handle, optional, in: takes receives from here instead of from a ring of its own */
#define VB_QP_CREATE__JOB_KEY 5 /* handle, optional, in: job that it works for */
#define VB_QP_CREATE__QPN 6 /* u32, optional, in: number that peers use; chosen by the device when left out */
#define VB_QP_CREATE__SOURCE_ID 7 /* u32, optional, in: identity shown to peers; the number when left out */
#define VB_QP_CREATE__SGID_INDEX 8 /* u32, optional, in: address entry, and so the protocol; the first when left out */
#define VB_QP_CREATE__FLAGS 9 /* flags, optional, in: how it behaves */
#define VB_QP_CREATE__FLAGS__ORDERED 1u
#define VB_QP_CREATE__FLAGS__SIGNAL_ALL 2u
#define VB_QP_CREATE__FLAGS__IDEMPOTENT 4u
#define VB_QP_CREATE__FLAGS__MATCHING 8u
#define VB_QP_CREATE__SEND_RING 0xa /* struct, optional, in: memory of the send ring */
#define VB_QP_CREATE__SEND_ENTRIES 0xb /* u32, optional, in: a power of two */
#define VB_QP_CREATE__RECEIVE_RING 0xc /* struct, optional, in: memory of the receive ring */
#define VB_QP_CREATE__RECEIVE_ENTRIES 0xd /* u32, optional, in: a power of two */
#define VB_QP_CREATE__HINTS 0xe /* flags, optional, in: wishes that a device may ignore */
#define VB_QP_CREATE__HINTS__LOW_LATENCY 1u
#define VB_QP_CREATE__HINTS__HIGH_BANDWIDTH 2u
#define VB_QP_CREATE__SEMANTICS 0xf /* row, optional, in: promises to keep, of those that QUERY_QP_SEMANTICS offers; others are given up */
#define VB_QP_CREATE__EVENTS 0x10 /* handle, optional, in: event file for its events; the default one when left out */
#define VB_QP_CREATE__HANDLE 0x11 /* handle, out: the queue pair */
#define VB_QP_CREATE__QPN_GIVEN 0x12 /* u32, out: its number */
#define VB_QP_CREATE__SLOT 0x13 /* u32, out: its number on the doorbell page */
#define VB_QP_CREATE__SOURCE_ID_GIVEN 0x14 /* u32, out: identity shown to peers */
#define VB_QP_CREATE__STATE 0x15 /* u32, out: state that it was made in */
#define VB_QP_CREATE__DOMAIN 0x16 /* u32, optional, in: secure domain that protects its packets; the usual one of the address entry when left out */

#define VB_QP_DESTROY 1 /* Ends it. What is outstanding is flushed. */
#define VB_QP_DESTROY__HANDLE 0 /* handle, in: the queue pair */

#define VB_QP_MODIFY 2 /* Moves it to a state, with the attributes that the transition needs. */
#define VB_QP_MODIFY__HANDLE 0 /* handle, in: the queue pair */
#define VB_QP_MODIFY__STATE 1 /* choice, optional, in: where to */
#define VB_QP_MODIFY__STATE__RESET 0u
#define VB_QP_MODIFY__STATE__INIT 1u
#define VB_QP_MODIFY__STATE__RTR 2u
#define VB_QP_MODIFY__STATE__RTS 3u
#define VB_QP_MODIFY__STATE__SQD 4u
#define VB_QP_MODIFY__STATE__SQE 5u
#define VB_QP_MODIFY__STATE__ERR 6u
#define VB_QP_MODIFY__CURRENT_STATE 2 /* choice, optional, in: where it is thought to be */
#define VB_QP_MODIFY__CURRENT_STATE__RESET 0u
#define VB_QP_MODIFY__CURRENT_STATE__INIT 1u
#define VB_QP_MODIFY__CURRENT_STATE__RTR 2u
#define VB_QP_MODIFY__CURRENT_STATE__RTS 3u
#define VB_QP_MODIFY__CURRENT_STATE__SQD 4u
#define VB_QP_MODIFY__CURRENT_STATE__SQE 5u
#define VB_QP_MODIFY__CURRENT_STATE__ERR 6u
#define VB_QP_MODIFY__ACCESS_FLAGS 3 /* u32, optional, in: operations that peers may do */
#define VB_QP_MODIFY__PKEY_INDEX 4 /* u32, optional, in: partition key index */
#define VB_QP_MODIFY__PORT 5 /* u32, optional, in: port */
#define VB_QP_MODIFY__QKEY 6 /* u32, optional, in: queue key */
#define VB_QP_MODIFY__ADDRESS 7 /* struct, optional, in: the peer (AV) */
#define VB_QP_MODIFY__PATH_MTU 8 /* u32, optional, in: code 1 to 5: 256 to 4096 bytes */
#define VB_QP_MODIFY__TIMEOUT 9 /* u32, optional, in: 4.096 µs · 2^n; 0 for never */
#define VB_QP_MODIFY__RETRY_COUNT 0xa /* u32, optional, in: retries */
#define VB_QP_MODIFY__RNR_RETRY 0xb /* u32, optional, in: retries when the peer has no receive; 7 for ever */
#define VB_QP_MODIFY__RQ_PSN 0xc /* u32, optional, in: first PSN to expect */
#define VB_QP_MODIFY__MAX_RD_ATOMIC 0xd /* u32, optional, in: reads and atomics under way as requester */
#define VB_QP_MODIFY__MIN_RNR_TIMER 0xe /* u32, optional, in: code of the least wait that peers are told */
#define VB_QP_MODIFY__SQ_PSN 0xf /* u32, optional, in: first PSN to send */
#define VB_QP_MODIFY__MAX_DEST_RD_ATOMIC 0x10 /* u32, optional, in: reads and atomics under way as responder */
#define VB_QP_MODIFY__DEST_QPN 0x11 /* u32, optional, in: queue pair of the peer */
#define VB_QP_MODIFY__SQD_NOTIFY 0x12 /* u32, optional, in: 1: raise SQ_DRAINED */
#define VB_QP_MODIFY__STATE_GIVEN 0x13 /* u32, out: state afterwards */

#define VB_QP_QUERY 3 /* State and attributes. */
#define VB_QP_QUERY__HANDLE 0 /* handle, in: the queue pair */
#define VB_QP_QUERY__ATTRIBUTES 1 /* row, out: name and value of each */

#define VB_QP_ATTACH_MR 4 /* Lets peers reach a region through this queue pair only. */
#define VB_QP_ATTACH_MR__HANDLE 0 /* handle, in: the queue pair */
#define VB_QP_ATTACH_MR__REGION 1 /* handle, in: the region */

#define VB_QP_DETACH_MR 5 /* Undoes ATTACH_MR; peers reach the region no more. */
#define VB_QP_DETACH_MR__HANDLE 0 /* handle, in: the queue pair */
#define VB_QP_DETACH_MR__REGION 1 /* handle, in: the region */

#define VB_QP_ATTACH_COMP_CNTR 6 /* Counts completions of some operations in a counter. */
#define VB_QP_ATTACH_COMP_CNTR__HANDLE 0 /* handle, in: the queue pair */
#define VB_QP_ATTACH_COMP_CNTR__COUNTER 1 /* handle, in: the counter */
#define VB_QP_ATTACH_COMP_CNTR__OPERATIONS 2 /* flags, in: which */
#define VB_QP_ATTACH_COMP_CNTR__OPERATIONS__SEND 1u
#define VB_QP_ATTACH_COMP_CNTR__OPERATIONS__RECV 2u
#define VB_QP_ATTACH_COMP_CNTR__OPERATIONS__RDMA_READ 4u
#define VB_QP_ATTACH_COMP_CNTR__OPERATIONS__RDMA_WRITE 0x10u

/* ---- SRQ ---- */

#define VB_SRQ_CREATE 0 /* Makes a shared receive queue. */
#define VB_SRQ_CREATE__PD 0 /* handle, in: protection domain */
#define VB_SRQ_CREATE__RING 1 /* struct, in: memory of the ring */
#define VB_SRQ_CREATE__ENTRIES 2 /* u32, in: a power of two */
#define VB_SRQ_CREATE__EVENTS 3 /* handle, optional, in: event file for its events */
#define VB_SRQ_CREATE__HANDLE 4 /* handle, out: the queue */
#define VB_SRQ_CREATE__SLOT 5 /* u32, out: its number on the doorbell page */

#define VB_SRQ_MODIFY 1 /* Arms the limit event, once: fewer receives than this are left. */
#define VB_SRQ_MODIFY__HANDLE 0 /* handle, in: the queue */
#define VB_SRQ_MODIFY__LIMIT 1 /* u32, in: receives; 0 disarms */

#define VB_SRQ_QUERY 2 /* State of the queue. */
#define VB_SRQ_QUERY__HANDLE 0 /* handle, in: the queue */
#define VB_SRQ_QUERY__ATTRIBUTES 1 /* row, out: entries, limit */

#define VB_SRQ_DESTROY 3 /* Ends it; refused while a queue pair uses it. */
#define VB_SRQ_DESTROY__HANDLE 0 /* handle, in: the queue */

/* ---- AH ---- */

#define VB_AH_CREATE 0 /* Makes an address handle, to an address or back along a path. */
#define VB_AH_CREATE__PD 0 /* handle, in: protection domain */
#define VB_AH_CREATE__TO 1 /* struct, optional, in: the peer */
#define VB_AH_CREATE__PATH 2 /* u32, optional, in: path of a completion */
#define VB_AH_CREATE__QPN 3 /* u32, optional, in: queue pair of the peer */
#define VB_AH_CREATE__SGID_INDEX 4 /* u32, optional, in: address entry of the path; the first when left out */
#define VB_AH_CREATE__HANDLE 5 /* handle, out: the address handle */
#define VB_AH_CREATE__NUMBER 6 /* u32, out: names it in requests */
#define VB_AH_CREATE__PATH_GIVEN 7 /* u32, out: path, as completions name it */
#define VB_AH_CREATE__PEER 8 /* struct, out: the peer */

#define VB_AH_DESTROY 1 /* Ends it. */
#define VB_AH_DESTROY__HANDLE 0 /* handle, in: the address handle */

/* ---- MR ---- */

#define VB_MR_REG 0 /* Registers memory, or a part of a region. */
#define VB_MR_REG__PD 0 /* handle, in: protection domain */
#define VB_MR_REG__MEMORY 1 /* struct, optional, in: the memory */
#define VB_MR_REG__PARENT 2 /* handle, optional, in: derive from this region: `offset` and `length` lie in it */
#define VB_MR_REG__OFFSET 3 /* size, optional, in: bytes from the start of the parent */
#define VB_MR_REG__LENGTH 4 /* size, optional, in: bytes */
#define VB_MR_REG__ACCESS 5 /* flags, in: rights */
#define VB_MR_REG__ACCESS__LOCAL_WRITE 1u
#define VB_MR_REG__ACCESS__REMOTE_WRITE 2u
#define VB_MR_REG__ACCESS__REMOTE_READ 4u
#define VB_MR_REG__ACCESS__REMOTE_ATOMIC 8u
#define VB_MR_REG__ACCESS__MW_BIND 0x10u
#define VB_MR_REG__ACCESS__ZERO_BASED 0x20u
#define VB_MR_REG__HINTS 6 /* flags, optional, in: wishes that a device may ignore */
#define VB_MR_REG__HINTS__RELAXED_ORDERING 0x100000u
#define VB_MR_REG__JOB_KEY 7 /* handle, optional, in: only peers of this job may reach it */
#define VB_MR_REG__KEY 8 /* u64, optional, in: remote key, instead of a random one */
#define VB_MR_REG__KEY_FLAGS 0xd /* flags, optional, in: what the remote key says: accesses may be repeated */
#define VB_MR_REG__KEY_FLAGS__IDEMPOTENT_SAFE 1u
#define VB_MR_REG__HANDLE 9 /* handle, out: the region */
#define VB_MR_REG__LKEY 0xa /* u32, out: names it in requests */
#define VB_MR_REG__RKEY 0xb /* u64, out: names it for peers */
#define VB_MR_REG__BYTES 0xc /* size, out: its length */

#define VB_MR_DEREG 1 /* Ends all access at once. */
#define VB_MR_DEREG__HANDLE 0 /* handle, in: the region */

#define VB_MR_REREG 2 /* Changes memory, domain or rights in one step, under the same handle; the keys change. */
#define VB_MR_REREG__HANDLE 0 /* handle, in: the region */
#define VB_MR_REREG__FLAGS 1 /* flags, in: what changes */
#define VB_MR_REREG__FLAGS__TRANSLATION 1u
#define VB_MR_REREG__FLAGS__PD 2u
#define VB_MR_REREG__FLAGS__ACCESS 4u
#define VB_MR_REREG__PD 2 /* handle, optional, in: new protection domain */
#define VB_MR_REREG__MEMORY 3 /* struct, optional, in: new memory */
#define VB_MR_REREG__ACCESS 4 /* flags, optional, in: new rights */
#define VB_MR_REREG__ACCESS__LOCAL_WRITE 1u
#define VB_MR_REREG__ACCESS__REMOTE_WRITE 2u
#define VB_MR_REREG__ACCESS__REMOTE_READ 4u
#define VB_MR_REREG__ACCESS__REMOTE_ATOMIC 8u
#define VB_MR_REREG__ACCESS__MW_BIND 0x10u
#define VB_MR_REREG__ACCESS__ZERO_BASED 0x20u
#define VB_MR_REREG__LKEY 5 /* u32, out: new local key */
#define VB_MR_REREG__RKEY 6 /* u64, out: new remote key */
#define VB_MR_REREG__BYTES 7 /* size, out: its length */

#define VB_MR_INVALIDATE 3 /* Ends remote access; local use goes on. */
#define VB_MR_INVALIDATE__HANDLE 0 /* handle, in: the region */

/* ---- MW ---- */

#define VB_MW_ALLOC 0 /* Makes a window that shows nothing yet. */
#define VB_MW_ALLOC__PD 0 /* handle, in: protection domain */
#define VB_MW_ALLOC__TYPE 1 /* choice, in: who chooses keys: 1 the device, 2 the program */
#define VB_MW_ALLOC__TYPE__TYPE_1 1u
#define VB_MW_ALLOC__TYPE__TYPE_2 2u
#define VB_MW_ALLOC__HANDLE 2 /* handle, out: the window */
#define VB_MW_ALLOC__NUMBER 3 /* u32, out: names it in requests */
#define VB_MW_ALLOC__RKEY 4 /* u64, out: first remote key; valid when bound */

#define VB_MW_DEALLOC 1 /* Ends it, bound or not. */
#define VB_MW_DEALLOC__HANDLE 0 /* handle, in: the window */

/* ---- ASYNC_EVENT ---- */

#define VB_ASYNC_EVENT_ALLOC 0 /* Makes another event file. */
#define VB_ASYNC_EVENT_ALLOC__HANDLE 0 /* handle, out: the event file */
#define VB_ASYNC_EVENT_ALLOC__WAKE 1 /* u32, out: what is woken when an event comes */

#define VB_ASYNC_EVENT_READ 1 /* Takes events, oldest first; with none, the next one wakes. */
#define VB_ASYNC_EVENT_READ__HANDLE 0 /* u32, optional, in: the event file, also of a device that is gone; the default one when left out */
#define VB_ASYNC_EVENT_READ__EVENTS 1 /* numbers, out: pairs of event number and handle of the object (or number of the port) */
#define VB_ASYNC_EVENT_READ__END 2 /* u32, out: 1: the device is gone, and no more will come */

#define VB_ASYNC_EVENT_FREE 2 /* Ends it; refused while an object reports to it. */
#define VB_ASYNC_EVENT_FREE__HANDLE 0 /* handle, in: the event file */

/* ---- COMP_CNTR ---- */

#define VB_COMP_CNTR_CREATE 0 /* Makes a counter. */
#define VB_COMP_CNTR_CREATE__UNIT 0 /* choice, optional, in: what is counted; requests when left out */
#define VB_COMP_CNTR_CREATE__UNIT__REQUESTS 0u
#define VB_COMP_CNTR_CREATE__UNIT__BYTES 1u
#define VB_COMP_CNTR_CREATE__HANDLE 1 /* handle, out: the counter */

#define VB_COMP_CNTR_DESTROY 1 /* Ends it; refused while a queue pair counts in it. */
#define VB_COMP_CNTR_DESTROY__HANDLE 0 /* handle, in: the counter */

#define VB_COMP_CNTR_READ 2 /* Reads it. */
#define VB_COMP_CNTR_READ__HANDLE 0 /* handle, in: the counter */
#define VB_COMP_CNTR_READ__SUCCESSES 1 /* size, out: requests or bytes that went well */
#define VB_COMP_CNTR_READ__ERRORS 2 /* size, out: requests that failed */

#define VB_COMP_CNTR_MODIFY 3 /* Sets it, or adds to it. */
#define VB_COMP_CNTR_MODIFY__HANDLE 0 /* handle, in: the counter */
#define VB_COMP_CNTR_MODIFY__SUCCESSES 1 /* size, optional, in: new value, or what is added */
#define VB_COMP_CNTR_MODIFY__ERRORS 2 /* size, optional, in: new value, or what is added */
#define VB_COMP_CNTR_MODIFY__ADD 3 /* u32, optional, in: 1: add instead of set */

/* ---- JOB ---- */

#define VB_JOB_ALLOC 0 /* Makes a job. */
#define VB_JOB_ALLOC__ID 0 /* u32, in: number of the job; the transport says how many bits it has */
#define VB_JOB_ALLOC__MAX_ADDRESSES 1 /* u32, optional, in: entries of its address table */
#define VB_JOB_ALLOC__SGID_INDEX 2 /* u32, optional, in: address entry, and so the protocol; the first when left out */
#define VB_JOB_ALLOC__NAME 3 /* text, optional, in: name for tools, unique */
#define VB_JOB_ALLOC__HANDLE 4 /* handle, out: the job */
#define VB_JOB_ALLOC__ENTRIES 5 /* u32, out: entries of its address table */

#define VB_JOB_DEALLOC 1 /* Drops this holder’s part; the last one ends the job. Refused while job keys refer to it. */
#define VB_JOB_DEALLOC__HANDLE 0 /* handle, in: the job */

#define VB_JOB_QUERY 2 /* What there is to know. */
#define VB_JOB_QUERY__HANDLE 0 /* handle, in: the job */
#define VB_JOB_QUERY__ATTRIBUTES 1 /* row, out: address table size, entries in use, holders; the id only for who may make jobs */

#define VB_JOB_ADDR_INSERT 3 /* Writes an entry of the address table; what was there is replaced. */
#define VB_JOB_ADDR_INSERT__HANDLE 0 /* handle, in: the job */
#define VB_JOB_ADDR_INSERT__INDEX 1 /* u32, in: entry */
#define VB_JOB_ADDR_INSERT__TO 2 /* struct, in: the peer */
#define VB_JOB_ADDR_INSERT__QPN 3 /* u32, in: queue pair of the peer */

#define VB_JOB_ADDR_REMOVE 4 /* Empties an entry; requests that name it fail from now on. */
#define VB_JOB_ADDR_REMOVE__HANDLE 0 /* handle, in: the job */
#define VB_JOB_ADDR_REMOVE__INDEX 1 /* u32, in: entry */

#define VB_JOB_ADDR_QUERY 5 /* Reads an entry. */
#define VB_JOB_ADDR_QUERY__HANDLE 0 /* handle, in: the job */
#define VB_JOB_ADDR_QUERY__INDEX 1 /* u32, in: entry */
#define VB_JOB_ADDR_QUERY__TO 2 /* struct, out: the peer */
#define VB_JOB_ADDR_QUERY__QPN 3 /* u32, out: queue pair of the peer */

#define VB_JOB_EXPORT 6 /* Makes a capability: whoever holds it may import the job, and not make jobs. */
#define VB_JOB_EXPORT__HANDLE 0 /* handle, in: the job */
#define VB_JOB_EXPORT__TOKEN 1 /* bytes, out: the capability */

#define VB_JOB_IMPORT 7 /* Joins the job of a capability, on this device. */
#define VB_JOB_IMPORT__TOKEN 0 /* bytes, in: the capability */
#define VB_JOB_IMPORT__SGID_INDEX 1 /* u32, optional, in: address entry; the first that fits when left out */
#define VB_JOB_IMPORT__HANDLE 2 /* handle, out: the job */
#define VB_JOB_IMPORT__ENTRIES 3 /* u32, out: entries of its address table */

#define VB_JOB_REVOKE 8 /* Ends all capabilities of the job; who holds the job already keeps it, unless `cut` is set. */
#define VB_JOB_REVOKE__HANDLE 0 /* handle, in: the job */
#define VB_JOB_REVOKE__CUT 1 /* u32, optional, in: 1: also fail the queue pairs of all other holders */

/* ---- JKEY ---- */

#define VB_JKEY_CREATE 0 /* Makes a job key. */
#define VB_JKEY_CREATE__PD 0 /* handle, in: protection domain */
#define VB_JKEY_CREATE__JOB 1 /* handle, in: the job */
#define VB_JKEY_CREATE__HANDLE 2 /* handle, out: the job key */
#define VB_JKEY_CREATE__VALUE 3 /* u32, out: names it in requests; never 0 */

#define VB_JKEY_DESTROY 1 /* Ends it; refused while a queue pair or region uses it. */
#define VB_JKEY_DESTROY__HANDLE 0 /* handle, in: the job key */

/* ---- UMEM ---- */

#define VB_UMEM_CREATE 0 /* Shares memory: a sealed memory file, or the caller’s own address space. */
#define VB_UMEM_CREATE__KIND 0 /* choice, in: FILE: an attachment; PROCESS: ordinary memory of the caller, by address */
#define VB_UMEM_CREATE__KIND__FILE 0u
#define VB_UMEM_CREATE__KIND__PROCESS 1u
#define VB_UMEM_CREATE__ATTACHMENT 1 /* u32, optional, in: position of the attachment */
#define VB_UMEM_CREATE__HANDLE 2 /* handle, out: the memory */
#define VB_UMEM_CREATE__BYTES 3 /* size, optional, out: its length */

#define VB_UMEM_DESTROY 1 /* Ends it; refused while rings or regions lie in it. */
#define VB_UMEM_DESTROY__HANDLE 0 /* handle, in: the memory */

/* ---- DEV ---- */

#define VB_DEV_SHOW 0 /* What devices there are, and what they say about themselves. */
#define VB_DEV_SHOW__DEVICE 0 /* text, optional, in: name or index; every device when left out */
#define VB_DEV_SHOW__ROWS 1 /* rows, out: ifindex, dev, driver, transports, state, netns, contexts, and attributes */

#define VB_DEV_SET 1 /* Changes a device: its name, the namespace that it belongs to, or both. */
#define VB_DEV_SET__DEVICE 0 /* text, in: name or index */
#define VB_DEV_SET__NAME 1 /* text, optional, in: another name */
#define VB_DEV_SET__NETNS 2 /* text, optional, in: namespace to move to; programs lose the device as if it was unplugged */

#define VB_DEV_RESET 2 /* Starts a device anew: its queue pairs fail, contexts stay. */
#define VB_DEV_RESET__DEVICE 0 /* text, in: name or index */

#define VB_DEV_DELETE 3 /* Takes a device away, whoever uses it. */
#define VB_DEV_DELETE__DEVICE 0 /* text, in: name or index */

#define VB_DEV_ADD 4 /* Adds a device while the system runs, where its host can do that. */
#define VB_DEV_ADD__OPTIONS 0 /* row, in: name (%d in it is the lowest free number), address, type, and what else the host knows */
#define VB_DEV_ADD__IFINDEX 1 /* u32, out: index of the device */

/* ---- LINK ---- */

#define VB_LINK_SHOW 0 /* One row for each port and address entry. */
#define VB_LINK_SHOW__DEVICE 0 /* text, optional, in: name or index; every device when left out */
#define VB_LINK_SHOW__PORT 1 /* u32, optional, in: only this port */
#define VB_LINK_SHOW__ROWS 2 /* rows, out: ifindex, dev, port, state, address, gid_index, type, udp_port, mtu, transports */

/* ---- RESOURCE ---- */

#define VB_RESOURCE_CENSUS 0 /* How many there are of each kind, and of protocol state. */
#define VB_RESOURCE_CENSUS__DEVICE 0 /* text, in: name or index */
#define VB_RESOURCE_CENSUS__COUNTS 1 /* row, out: name and count */

#define VB_RESOURCE_SHOW 1 /* Lists objects, in parts: what dies meanwhile is left out, what is there throughout comes once. */
#define VB_RESOURCE_SHOW__DEVICE 0 /* text, optional, in: name or index; every device when left out */
#define VB_RESOURCE_SHOW__KIND 1 /* text, optional, in: pd, mr, cq, qp, ... or pdc; every kind when left out */
#define VB_RESOURCE_SHOW__FILTER 2 /* row, optional, in: only rows with these values; numbers also as `0-6` and `1,4,9` */
#define VB_RESOURCE_SHOW__AFTER 3 /* text, optional, in: where the part before ended */
#define VB_RESOURCE_SHOW__ROWS 4 /* rows, out: one object each */
#define VB_RESOURCE_SHOW__NEXT 5 /* text, out: where to go on; empty at the end */

#define VB_RESOURCE_SUMMARY 2 /* Counts for each device and kind, with the most that there can be. */
#define VB_RESOURCE_SUMMARY__DEVICE 0 /* text, optional, in: name or index; every device when left out */
#define VB_RESOURCE_SUMMARY__ROWS 1 /* rows, out: ifindex, dev, then the count of each kind by its short name, and its maximum as max_KIND */

/* ---- STATISTIC ---- */

#define VB_STATISTIC_SHOW 0 /* Counters of a device. They never fall: what was destroyed stays counted. */
#define VB_STATISTIC_SHOW__DEVICE 0 /* text, in: name or index */
#define VB_STATISTIC_SHOW__COUNTERS 1 /* row, out: name and value of each */

#define VB_STATISTIC_QP_SHOW 1 /* Counters of single queue pairs, in parts, where the driver keeps them. */
#define VB_STATISTIC_QP_SHOW__DEVICE 0 /* text, optional, in: name or index; every device when left out */
#define VB_STATISTIC_QP_SHOW__FILTER 1 /* row, optional, in: only queue pairs with these values, as in RESOURCE.SHOW */
#define VB_STATISTIC_QP_SHOW__AFTER 2 /* text, optional, in: where the part before ended */
#define VB_STATISTIC_QP_SHOW__ROWS 3 /* rows, out: one queue pair each: who it is, and its counters */
#define VB_STATISTIC_QP_SHOW__NEXT 4 /* text, out: where to go on; empty at the end */

/* ---- SYSTEM ---- */

#define VB_SYSTEM_SHOW 0 /* Modes, limits and versions. */
#define VB_SYSTEM_SHOW__ATTRIBUTES 0 /* row, out: netns, version, namespaces, counts of devices, sessions and jobs, and their bounds */

#define VB_SYSTEM_SET 1 /* Changes a mode. */
#define VB_SYSTEM_SET__NETNS 0 /* choice, in: who sees devices: all namespaces, or their own only */
#define VB_SYSTEM_SET__NETNS__SHARED 0u
#define VB_SYSTEM_SET__NETNS__EXCLUSIVE 1u

#define VB_SYSTEM_SESSIONS 2 /* The programs that are connected, in parts. */
#define VB_SYSTEM_SESSIONS__AFTER 0 /* text, optional, in: where the part before ended */
#define VB_SYSTEM_SESSIONS__ROWS 1 /* rows, out: session, pid, uid, comm, netns, group, contexts, rights, registered bytes and their limit */
#define VB_SYSTEM_SESSIONS__NEXT 2 /* text, out: where to go on; empty at the end */

#define VB_SYSTEM_GROUP_SHOW 3 /* Limits and use of resource groups, in parts: a row for each group and device. */
#define VB_SYSTEM_GROUP_SHOW__GROUP 0 /* text, optional, in: path of the group; every group when left out */
#define VB_SYSTEM_GROUP_SHOW__AFTER 1 /* text, optional, in: where the part before ended */
#define VB_SYSTEM_GROUP_SHOW__ROWS 2 /* rows, out: group, dev, and current, peak, max, hits for each resource */
#define VB_SYSTEM_GROUP_SHOW__NEXT 3 /* text, out: where to go on; empty at the end */

#define VB_SYSTEM_GROUP_SET 4 /* Sets limits of a group for a device; a new path makes the group. Limits that are not named stay. */
#define VB_SYSTEM_GROUP_SET__GROUP 0 /* text, in: path of the group */
#define VB_SYSTEM_GROUP_SET__DEVICE 1 /* text, optional, in: name or index; only makes the group when left out */
#define VB_SYSTEM_GROUP_SET__LIMITS 2 /* row, optional, in: hca_handle, hca_object, mr_mem: a number, or max */

#define VB_SYSTEM_GROUP_ATTACH 5 /* Puts the sessions of a process into a group. What was charged before stays where it is. */
#define VB_SYSTEM_GROUP_ATTACH__GROUP 0 /* text, in: path of the group */
#define VB_SYSTEM_GROUP_ATTACH__PID 1 /* u32, in: process */
#define VB_SYSTEM_GROUP_ATTACH__SESSIONS 2 /* u32, out: how many sessions of the process there are */

#define VB_SYSTEM_GROUP_DELETE 6 /* Ends a group without groups and sessions in it. What it was charged goes back as objects end. */
#define VB_SYSTEM_GROUP_DELETE__GROUP 0 /* text, in: path of the group */

/* ---- JOBS ---- */

#define VB_JOBS_SHOW 0 /* The jobs there are, in parts. Capabilities are not shown. */
#define VB_JOBS_SHOW__NAME 0 /* text, optional, in: only the job of this name */
#define VB_JOBS_SHOW__AFTER 1 /* text, optional, in: where the part before ended */
#define VB_JOBS_SHOW__ROWS 2 /* rows, out: job, name, netns, owner, devices, holders, addresses, endpoints */
#define VB_JOBS_SHOW__NEXT 3 /* text, out: where to go on; empty at the end */

#define VB_JOBS_ADD 1 /* Makes a job. It lives until it is deleted, also while nobody holds it. */
#define VB_JOBS_ADD__ID 0 /* u32, in: number of the job, from 1 */
#define VB_JOBS_ADD__NAME 1 /* text, optional, in: name, unique */
#define VB_JOBS_ADD__MAX_ADDRESSES 2 /* u32, optional, in: entries of its address table */

#define VB_JOBS_EXPORT 2 /* Makes a capability: whoever has it may join. */
#define VB_JOBS_EXPORT__ID 0 /* u32, in: number of the job */
#define VB_JOBS_EXPORT__TOKEN 1 /* bytes, out: the capability */

#define VB_JOBS_DELETE 3 /* Ends a job: capabilities are void, queue pairs of all who hold it fail. Holders keep what they have as shells. */
#define VB_JOBS_DELETE__ID 0 /* u32, in: number of the job */

/* ---- MONITOR ---- */

#define VB_MONITOR_START 0 /* Begins watching; again does no harm. */
#define VB_MONITOR_START__WAKE 0 /* u32, out: what is woken when there is something to read */

#define VB_MONITOR_READ 1 /* Takes what has happened since. */
#define VB_MONITOR_READ__ROWS 0 /* rows, out: seq, event, ifindex, dev, netns, before; seq has gaps where events were lost */
#define VB_MONITOR_READ__LOST 1 /* u32, out: events lost since the last read, because nobody read in time */

#define VB_MONITOR_STOP 2 /* Ends watching. */

/* ---- TRACE ---- */

#define VB_TRACE_START 0 /* Begins tracing; again does no harm. */
#define VB_TRACE_START__WAKE 0 /* u32, out: what is woken when there is something to read */

#define VB_TRACE_READ 1 /* Takes what was traced since. */
#define VB_TRACE_READ__ROWS 0 /* rows, out: seq, at_ns, pid, comm, call, request, answer or error, and their bytes */
#define VB_TRACE_READ__LOST 1 /* u32, out: calls lost since the last read, because nobody read in time */

#define VB_TRACE_STOP 2 /* Ends tracing. */

/* ---- SECDOM ---- */

#define VB_SECDOM_SHOW 0 /* The domains there are, with their epochs and counters, and without keys. */
#define VB_SECDOM_SHOW__ROWS 0 /* rows, out: sdi, mode, ssi, tx_an, key_0, key_1, epoch_lifetime, latched, and what was counted */

#define VB_SECDOM_ADD 1 /* Adds a domain with its first key, which is sent under at once. */
#define VB_SECDOM_ADD__SDI 0 /* u32, in: secure domain identifier, from 1 */
#define VB_SECDOM_ADD__OPTIONS 1 /* row, in: mode, ssi, clients, epochLifetime, rekeyMask, rekeyShift, ipv6Context, splitCounters, latchAfter */
#define VB_SECDOM_ADD__KEY 2 /* bytes, in: the key; of a client key and mask */
#define VB_SECDOM_ADD__AN 3 /* u32, optional, in: slot; 0 when left out */
#define VB_SECDOM_ADD__EPOCH 4 /* u32, optional, in: 0 when left out */

#define VB_SECDOM_INSTALL 2 /* Puts a new key into the slot that is not sent under; packets under it are taken from now on. */
#define VB_SECDOM_INSTALL__SDI 0 /* u32, in: secure domain identifier */
#define VB_SECDOM_INSTALL__KEY 1 /* bytes, in: a key that was never used */
#define VB_SECDOM_INSTALL__AN 2 /* u32, in: slot */
#define VB_SECDOM_INSTALL__EPOCH 3 /* u32, optional, in: 0 when left out */

#define VB_SECDOM_ACTIVATE 3 /* Sends under the key of a slot from now on. All receivers must have it by then. */
#define VB_SECDOM_ACTIVATE__SDI 0 /* u32, in: secure domain identifier */
#define VB_SECDOM_ACTIVATE__AN 1 /* u32, in: slot */

#define VB_SECDOM_RETIRE 4 /* Forgets the key of the slot that is not sent under; packets under it are dropped. */
#define VB_SECDOM_RETIRE__SDI 0 /* u32, in: secure domain identifier */
#define VB_SECDOM_RETIRE__AN 1 /* u32, in: slot */

#define VB_SECDOM_DELETE 5 /* Takes a domain away with its keys: its packets are dropped, its queue pairs can send no more. */
#define VB_SECDOM_DELETE__SDI 0 /* u32, in: secure domain identifier */

/* ---- CAPTURE ---- */

#define VB_CAPTURE_START 0 /* Begins a capture of what a device sends and receives from now on, whoever uses it. */
#define VB_CAPTURE_START__DEVICE 0 /* text, in: name or index */
#define VB_CAPTURE_START__WAKE 1 /* u32, out: what is woken when there is something to read */
#define VB_CAPTURE_START__DECRYPT 2 /* u32, optional, in: 1: packets of secure domains are shown in the clear, with those keys that are here */

#define VB_CAPTURE_READ 1 /* Takes the next bytes. All of them one after the other are a pcapng file; a part may end within a block. */
#define VB_CAPTURE_READ__BYTES 0 /* bytes, out: the next bytes; none when nothing waits */
#define VB_CAPTURE_READ__FRAMES 1 /* size, out: frames captured since the start */
#define VB_CAPTURE_READ__LOST 2 /* size, out: frames lost since the start, because nobody read in time */
#define VB_CAPTURE_READ__ENDED 3 /* u32, out: 1: these are the last bytes; it was stopped, or the device is gone */

#define VB_CAPTURE_STOP 2 /* Ends capturing. What waits can still be read. */

/* ---- Entries of rings ---- */

/* A ring begins with its indices, each in a cache line of its own; entries follow. */
#define VB_RING_HEADER_BYTES 256
#define VB_RING_PRODUCER_AT 0
#define VB_RING_CONSUMER_AT 64
#define VB_RING_ARMED_AT 128
#define VB_RING_ERROR_AT 192
#define VB_PAYLOAD_AT 64
#define VB_DOORBELL_PAGE_BYTES 4096

#define VB_RING_ERROR_NONE 0
#define VB_RING_ERROR_OVERRUN 1
#define VB_RING_ERROR_FLUSHING 2
#define VB_RING_ERROR_BROKEN 3
#define VB_RING_ERROR_DEVICE 4

#define VB_SEND_SIGNALED 1
#define VB_SEND_INLINE 2
#define VB_SEND_QPN 4
#define VB_SEND_SOLICITED 8
#define VB_SEND_FENCE 16
#define VB_SEND_QKEY 32
#define VB_SEND_DELIVERY_COMPLETE 64
#define VB_SEND_MATCH_COMPLETE 128

#define VB_COMPLETION_HAS_IMM 1
#define VB_COMPLETION_INVALIDATED 2
#define VB_COMPLETION_GRH 4
#define VB_COMPLETION_SOLICITED 8
#define VB_COMPLETION_RELEASED 16

/* A stretch of registered memory. */
struct vb_segment_entry {
	uint32_t lkey; /* local key of the region */
	uint32_t length; /* bytes */
	uint32_t offset_lo; /* bytes from the start of the region, low word */
	uint32_t offset_hi; /* and its high word */
} __attribute__((packed));
VB_SIZE(struct vb_segment_entry, 16);

/* A send request. */
struct vb_send_entry {
	uint16_t opcode; /* one of WorkOpcode */
	uint16_t flags; /* bits of SendFlag */
	uint16_t segments; /* segments in use, 0 to 4 */
	uint16_t inline_length; /* inline bytes, 0 to 64 */
	uint32_t job_key; /* value of a job key; 0: the one of the queue pair */
	uint32_t address; /* address handle; 0: by address index */
	uint32_t id_lo; /* the program’s number for this request, low word */
	uint32_t id_hi; /* and its high word */
	uint32_t rkey_lo; /* remote key, low word */
	uint32_t rkey_hi; /* and its high word */
	uint32_t remote_lo; /* offset in the remote region, low word */
	uint32_t remote_hi; /* and its high word */
	uint32_t imm_lo; /* immediate data, low word */
	uint32_t imm_hi; /* and its high word */
	uint32_t index; /* index in the address table of the job */
	uint32_t qpn; /* queue pair number instead of the address’s */
	uint32_t operand_lo; /* value to swap in, low word; of a datagram the queue key */
	uint32_t operand_hi; /* and its high word */
	uint8_t payload[64]; /* segments or inline bytes */
} __attribute__((packed));
VB_SIZE(struct vb_send_entry, 128);

/* A receive. */
struct vb_receive_entry {
	uint16_t segments; /* segments in use, 0 to 4 */
	uint16_t flags; /* bits of ReceiveFlag; all but 0 for queue pairs that match */
	uint8_t reserved0[4]; /* reserved, zero */
	uint32_t id_lo; /* the program’s number for this receive, low word */
	uint32_t id_hi; /* and its high word */
	uint32_t tag_lo; /* tag, low word */
	uint32_t tag_hi; /* and its high word */
	uint32_t ignore_lo; /* bits of the tag that do not count, low word */
	uint32_t ignore_hi; /* and its high word */
	uint32_t source_id; /* DIRECTED: identity of the only sender */
	uint32_t address; /* address handle of the only sender; 0: any */
	uint32_t job_id; /* only job; 0: any */
	uint32_t min_bytes; /* MULTI: with fewer bytes left it ends */
	uint8_t reserved1[16]; /* reserved, zero */
	uint8_t payload[64]; /* segments */
} __attribute__((packed));
VB_SIZE(struct vb_receive_entry, 128);

/* A completion. */
struct vb_completion_entry {
	uint32_t id_lo; /* number of the request, low word */
	uint32_t id_hi; /* and its high word */
	uint16_t status; /* one of Status */
	uint16_t opcode; /* one of CompletionOpcode */
	uint32_t flags; /* bits of CompletionFlag */
	uint32_t byte_length; /* bytes moved */
	uint32_t imm_lo; /* immediate data, low word */
	uint32_t imm_hi; /* and its high word */
	uint32_t qpn; /* number of the local queue pair */
	uint32_t remote_qpn; /* number of the peer’s queue pair */
	uint32_t source_id; /* identity that the peer claims */
	uint32_t job_id; /* job that the work was done for */
	uint32_t path; /* handle of the path to the peer */
	uint32_t vendor_status; /* the transport’s own code */
	uint32_t tag_lo; /* tag, low word */
	uint32_t tag_hi; /* and its high word */
	uint32_t extra; /* LOC_LEN_ERR: bytes without room; else where in a receive for many the message begins */
} __attribute__((packed));
VB_SIZE(struct vb_completion_entry, 64);

/* ---- Helpers ---- */

/* A request that is being built in memory of the caller. */
struct vb_builder {
	uint8_t *bytes;
	size_t size;
	size_t length;
	uint16_t attributes;
	int overflow; /* it did not fit */
};

static inline void vb_begin(struct vb_builder *b, void *bytes, size_t size, uint16_t object, uint16_t method,
			    uint32_t context, uint32_t driver)
{
	struct vb_request head;

	memset(&head, 0, sizeof(head));
	head.object = object;
	head.method = method;
	head.context = context;
	head.driver = driver;
	head.room = VB_MAX_MESSAGE_BYTES;
	b->bytes = (uint8_t *)bytes;
	b->size = size;
	b->length = sizeof(head);
	b->attributes = 0;
	b->overflow = size < sizeof(head);
	if (!b->overflow)
		memcpy(bytes, &head, sizeof(head));
}

static inline void vb_put(struct vb_builder *b, uint16_t id, uint16_t flags, const void *value, size_t length)
{
	struct vb_attribute head;
	size_t padded = (length + 7) & ~(size_t)7;

	if (b->overflow || length > VB_MAX_MESSAGE_BYTES || b->size - b->length < sizeof(head) + padded) {
		b->overflow = 1;
		return;
	}
	head.id = id;
	head.flags = flags;
	head.length = (uint32_t)length;
	memcpy(b->bytes + b->length, &head, sizeof(head));
	memset(b->bytes + b->length + sizeof(head), 0, padded);
	if (length > 0)
		memcpy(b->bytes + b->length + sizeof(head), value, length);
	b->length += sizeof(head) + padded;
	b->attributes++;
}

static inline void vb_put_u32(struct vb_builder *b, uint16_t id, uint16_t flags, uint32_t value)
{
	vb_put(b, id, flags, &value, sizeof(value));
}

static inline void vb_put_u64(struct vb_builder *b, uint16_t id, uint16_t flags, uint64_t value)
{
	vb_put(b, id, flags, &value, sizeof(value));
}

static inline void vb_put_text(struct vb_builder *b, uint16_t id, uint16_t flags, const char *text)
{
	vb_put(b, id, flags, text, strlen(text));
}

/* Returns the length of the message, or 0 when it did not fit. */
static inline size_t vb_end(struct vb_builder *b, uint32_t cookie)
{
	struct vb_request head;

	if (b->overflow || b->length > VB_MAX_MESSAGE_BYTES)
		return 0;
	memcpy(&head, b->bytes, sizeof(head));
	head.length = (uint32_t)b->length;
	head.attributes = b->attributes;
	head.cookie = cookie;
	memcpy(b->bytes, &head, sizeof(head));
	return b->length;
}

/* A value inside a message. */
struct vb_value {
	const uint8_t *bytes;
	size_t length;
};

/* Returns the error number of an answer, 0 for success; VB_EIO for what is no answer. */
static inline int vb_answer_error(const void *bytes, size_t length)
{
	struct vb_answer head;

	if (length < sizeof(head))
		return VB_EIO;
	memcpy(&head, bytes, sizeof(head));
	return head.length == length ? head.error : VB_EIO;
}

/* Finds an attribute of an answer. Returns 0 when it is not there. */
static inline int vb_find(const void *bytes, size_t length, uint16_t id, struct vb_value *value)
{
	const uint8_t *at = (const uint8_t *)bytes;
	struct vb_answer head;
	struct vb_attribute attribute;
	size_t from = sizeof(head);
	unsigned i;

	if (length < sizeof(head))
		return 0;
	memcpy(&head, at, sizeof(head));
	for (i = 0; i < head.attributes; i++) {
		if (length - from < sizeof(attribute))
			return 0;
		memcpy(&attribute, at + from, sizeof(attribute));
		from += sizeof(attribute);
		if (attribute.length > length - from)
			return 0;
		if (attribute.id == id) {
			value->bytes = at + from;
			value->length = attribute.length;
			return 1;
		}
		if (((size_t)attribute.length + 7) / 8 * 8 > length - from)
			return 0;
		from += ((size_t)attribute.length + 7) / 8 * 8;
	}
	return 0;
}

/* A number of an answer. Returns 0 when it is not there. */
static inline int vb_find_u32(const void *bytes, size_t length, uint16_t id, uint32_t *number)
{
	struct vb_value value;

	if (!vb_find(bytes, length, id, &value) || value.length != sizeof(*number))
		return 0;
	memcpy(number, value.bytes, sizeof(*number));
	return 1;
}

/* Rows: named, typed values. A cursor is a vb_value: what is left to read. */
enum vb_cell_type {
	VB_CELL_FALSE, VB_CELL_TRUE, VB_CELL_U32, VB_CELL_U64, VB_CELL_TEXT, VB_CELL_LIST, VB_CELL_F64
};

struct vb_cell {
	enum vb_cell_type type;
	struct vb_value name;
	struct vb_value value; /* bytes of the number or text; a list: its texts, each behind a u32 length */
	uint32_t count; /* of a list */
};

static inline int vb_take(struct vb_value *from, size_t length, struct vb_value *taken)
{
	if (length > from->length)
		return 0;
	taken->bytes = from->bytes;
	taken->length = length;
	from->bytes += length;
	from->length -= length;
	return 1;
}

static inline int vb_take_u32(struct vb_value *from, uint32_t *number)
{
	struct vb_value taken;

	if (!vb_take(from, sizeof(*number), &taken))
		return 0;
	memcpy(number, taken.bytes, sizeof(*number));
	return 1;
}

/* The next row, as a cursor over its cells. Returns 0 at the end, or when the bytes are no rows. */
static inline int vb_next_row(struct vb_value *rows, struct vb_value *cells)
{
	uint32_t length;

	return vb_take_u32(rows, &length) && vb_take(rows, length, cells);
}

/* The next cell of a row. Returns 0 at the end, or when the bytes are no row. */
static inline int vb_next_cell(struct vb_value *cells, struct vb_cell *cell)
{
	struct vb_value head, start;
	uint32_t length, i;

	if (!vb_take(cells, 2, &head) || head.bytes[0] > VB_CELL_F64 || !vb_take(cells, head.bytes[1], &cell->name))
		return 0;
	cell->type = (enum vb_cell_type)head.bytes[0];
	cell->count = 0;
	switch (cell->type) {
	case VB_CELL_FALSE:
	case VB_CELL_TRUE:
		return vb_take(cells, 0, &cell->value);
	case VB_CELL_U32:
		return vb_take(cells, 4, &cell->value);
	case VB_CELL_U64:
	case VB_CELL_F64:
		return vb_take(cells, 8, &cell->value);
	case VB_CELL_TEXT:
		return vb_take_u32(cells, &length) && vb_take(cells, length, &cell->value);
	case VB_CELL_LIST:
		if (!vb_take_u32(cells, &cell->count))
			return 0;
		start = *cells;
		for (i = 0; i < cell->count; i++)
			if (!vb_take_u32(cells, &length) || !vb_take(cells, length, &head))
				return 0;
		cell->value.bytes = start.bytes;
		cell->value.length = start.length - cells->length;
		return 1;
	}
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif
