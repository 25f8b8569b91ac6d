/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user API from C.
 *
 *   cc -o example example.c
 *   ./example           prints two requests as hexadecimal digits
 *   ./example SOCKET    talks to a daemon: lists the devices, opens the first one, makes a protection domain
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "verbena.h"

static uint8_t request[4096];
static uint8_t answer[VB_MAX_MESSAGE_BYTES];

static size_t list_request(void)
{
	struct vb_builder b;

	vb_begin(&b, request, sizeof(request), VB_OBJECT_DEVICE, VB_DEVICE_LIST, 0, 0);
	return vb_end(&b, 1);
}

static size_t open_request(const struct vb_value *device)
{
	struct vb_builder b;

	vb_begin(&b, request, sizeof(request), VB_OBJECT_DEVICE, VB_DEVICE_OPEN, 0, 0);
	vb_put(&b, VB_DEVICE_OPEN__DEVICE, 0, device->bytes, device->length);
	return vb_end(&b, 2);
}

static size_t alloc_request(uint32_t context, uint32_t driver)
{
	struct vb_builder b;

	vb_begin(&b, request, sizeof(request), VB_OBJECT_PD, VB_PD_ALLOC, context, driver);
	return vb_end(&b, 3);
}

static void print_hex(const char *name, size_t length)
{
	size_t i;

	printf("%s ", name);
	for (i = 0; i < length; i++)
		printf("%02x", request[i]);
	printf("\n");
}

static void print_text(const char *name, const struct vb_value *text)
{
	printf("%s%.*s\n", name, (int)text->length, (const char *)text->bytes);
}

static void print_cell(const struct vb_cell *cell)
{
	uint64_t number = 0;
	double fraction;

	printf("  %.*s ", (int)cell->name.length, (const char *)cell->name.bytes);
	switch (cell->type) {
	case VB_CELL_FALSE:
		printf("false\n");
		break;
	case VB_CELL_TRUE:
		printf("true\n");
		break;
	case VB_CELL_U32:
	case VB_CELL_U64:
		memcpy(&number, cell->value.bytes, cell->value.length);
		printf("%" PRIu64 "\n", number);
		break;
	case VB_CELL_F64:
		memcpy(&fraction, cell->value.bytes, sizeof(fraction));
		printf("%g\n", fraction);
		break;
	case VB_CELL_TEXT:
		print_text("", &cell->value);
		break;
	case VB_CELL_LIST: {
		struct vb_value left = cell->value, text;
		uint32_t length;

		while (vb_take_u32(&left, &length) && vb_take(&left, length, &text))
			printf("%.*s ", (int)text.length, (const char *)text.bytes);
		printf("\n");
		break;
	}
	}
}

/* Returns the length of the answer, after an error was explained 0. */
static size_t call(int fd, size_t length)
{
	struct vb_value text;
	ssize_t got;
	int error;

	if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) {
		perror("send");
		return 0;
	}
	got = recv(fd, answer, sizeof(answer), 0);
	if (got <= 0) {
		fprintf(stderr, "the daemon closed the connection\n");
		return 0;
	}
	error = vb_answer_error(answer, (size_t)got);
	if (error == 0)
		return (size_t)got;
	printf("error %d\n", error);
	if (vb_find(answer, (size_t)got, VB_ERROR_PROBLEM, &text))
		print_text("  ", &text);
	if (vb_find(answer, (size_t)got, VB_ERROR_TRY, &text))
		print_text("  try ", &text);
	return 0;
}

static int talk(const char *path)
{
	struct sockaddr_un address;
	struct vb_value rows, cells, first = { NULL, 0 };
	uint32_t context, driver, handle;
	char name[64];
	struct vb_cell cell;
	size_t length;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "the path is too long\n");
		return 1;
	}
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror(path);
		return 1;
	}

	length = call(fd, list_request());
	if (length == 0 || !vb_find(answer, length, VB_DEVICE_LIST__DEVICES, &rows))
		return 1;
	while (vb_next_row(&rows, &cells)) {
		printf("device\n");
		while (vb_next_cell(&cells, &cell)) {
			print_cell(&cell);
			if (first.bytes == NULL && cell.name.length == 4 && memcmp(cell.name.bytes, "name", 4) == 0 &&
			    cell.value.length < sizeof(name)) {
				memcpy(name, cell.value.bytes, cell.value.length);
				first.bytes = (const uint8_t *)name;
				first.length = cell.value.length;
			}
		}
	}
	if (first.bytes == NULL) {
		printf("no devices\n");
		return 0;
	}

	length = call(fd, open_request(&first));
	if (length == 0 || !vb_find_u32(answer, length, VB_DEVICE_OPEN__CONTEXT, &context) ||
	    !vb_find_u32(answer, length, VB_DEVICE_OPEN__DRIVER, &driver))
		return 1;
	printf("context %" PRIu32 " driver %" PRIu32 "\n", context, driver);

	length = call(fd, alloc_request(context, driver));
	if (length == 0 || !vb_find_u32(answer, length, VB_PD_ALLOC__HANDLE, &handle))
		return 1;
	printf("pd 0x%" PRIx32 "\n", handle);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return talk(argv[1]);
	print_hex("list", list_request());
	print_hex("alloc", alloc_request(5, 1));
	return 0;
}
