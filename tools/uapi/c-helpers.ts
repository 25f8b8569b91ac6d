/** The part of the C header that is code. It allocates nothing and reads nothing outside of what it is given. */
export const HELPERS = `/* A request that is being built in memory of the caller. */
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
}`;
