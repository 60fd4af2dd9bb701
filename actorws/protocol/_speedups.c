/* The codec's inner loop in C: whole messages of a client out of what was read, and one message into its frame.

Rule owned here: none of its own. What isn't a whole, unfragmented, valid message is left alone, without an error, for
the Python code beside this to look at: it knows every rule and every word of an error. `parse_in_python` (codec.py) and
`encode_one_in_python` (encoder.py) are the reference: the same tests run on both.

For CPython 3.11 and later, one build per version: the stable ABI has neither PyUnicode_New nor PyBytes_AS_STRING. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

/* The first two bytes of a frame (RFC 6455 section 5.2). */
#define FIN_TEXT 0x81
#define FIN_BINARY 0x82
#define MASKED 0x80

/* The longest header of a server: two bytes, eight of length. The shortest of a client: two, and four of key. */
#define LONGEST_HEADER 10
#define SHORTEST_MASKED 6

/* Copy a payload unmasked (section 5.3), eight bytes at a time; the compiler makes vectors of them. Return every bit
that was seen, so that the top bits of the bytes tell whether there was more than ASCII. */
static inline uint64_t
unmask(unsigned char *restrict to, const unsigned char *restrict from, Py_ssize_t size, const unsigned char *key)
{
    uint64_t word, seen = 0;
    uint32_t half, key_half;
    memcpy(&key_half, key, 4);
    const uint64_t key_word = (uint64_t)key_half << 32 | key_half; /* the same in either byte order */
    for (; size >= 8; size -= 8, from += 8, to += 8) {
        memcpy(&word, from, 8);
        word ^= key_word;
        seen |= word;
        memcpy(to, &word, 8);
    }
    if (size >= 4) {
        memcpy(&half, from, 4);
        half ^= key_half;
        seen |= half;
        memcpy(to, &half, 4);
        size -= 4, from += 4, to += 4;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        to[i] = from[i] ^ key[i];
        seen |= to[i];
    }
    return seen;
}

static PyObject *
unmasked_bytes(const unsigned char *payload, Py_ssize_t size, const unsigned char *key)
{
    PyObject *message = PyBytes_FromStringAndSize(NULL, size);
    if (message != NULL && size > 0) { /* the empty one is everybody's */
        unmask((unsigned char *)PyBytes_AS_STRING(message), payload, size, key);
    }
    return message;
}

/* NULL without an error where it is not UTF-8. */
static PyObject *
unmasked_text(const unsigned char *payload, Py_ssize_t size, const unsigned char *key)
{
    /* Most text is ASCII: it is unmasked straight into a str. Where it turns out to be more, that was room for bytes,
    and nobody has seen it. */
    PyObject *ascii = PyUnicode_New(size, 127);
    if (ascii == NULL || size == 0) {
        return ascii;
    }
    unsigned char *room = (unsigned char *)PyUnicode_1BYTE_DATA(ascii);
    if (!(unmask(room, payload, size, key) & 0x8080808080808080)) {
        return ascii;
    }
    PyObject *message = PyUnicode_DecodeUTF8((const char *)room, size, "strict");
    Py_DECREF(ascii);
    if (message == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
    }
    return message;
}

/* The length of the payload and where it starts, or -1 unless there is all of it, and no more than `max_size`. `size` is
what is left, SHORTEST_MASKED at least. Lengths of eight bytes are left alone: so much is never in one read. */
static inline Py_ssize_t
payload_of(const unsigned char *frame, Py_ssize_t size, Py_ssize_t max_size, const unsigned char **payload)
{
    Py_ssize_t length = (Py_ssize_t)frame[1] - MASKED;
    Py_ssize_t start = SHORTEST_MASKED;
    if (length == 126) {
        start = SHORTEST_MASKED + 2;
        if (size < start) {
            return -1;
        }
        length = frame[2] << 8 | frame[3];
        if (length < 126) {
            return -1; /* not the shortest form */
        }
    } else if (length > 125) {
        return -1;
    }
    if (length > max_size || length > size - start) {
        return -1;
    }
    *payload = frame + start;
    return length;
}

/* Append the messages from `frame` on to `received`, at most `budget`. The first byte not used; NULL for an error. */
static const unsigned char *
parse_frames(const unsigned char *frame, const unsigned char *end, Py_ssize_t max_size, PyObject *received,
             Py_ssize_t budget)
{
    for (; budget > 0 && end - frame >= SHORTEST_MASKED; budget--) {
        const unsigned char *payload;
        PyObject *message;
        Py_ssize_t length = payload_of(frame, end - frame, max_size, &payload);
        if (length < 0) {
            break;
        }
        if (frame[0] == FIN_BINARY) {
            message = unmasked_bytes(payload, length, payload - 4);
        } else if (frame[0] == FIN_TEXT) {
            message = unmasked_text(payload, length, payload - 4);
        } else {
            break;
        }
        if (message == NULL) {
            return PyErr_Occurred() ? NULL : frame;
        }
        int status = PyList_Append(received, message);
        Py_DECREF(message);
        if (status < 0) {
            return NULL;
        }
        frame = payload + length;
    }
    return frame;
}

PyDoc_STRVAR(parse_doc,
"parse(data, position, max_size, received, budget, /)\n--\n\n"
"As actorws.protocol.codec.parse_in_python. Raises TypeError for arguments of other types, ValueError for a\n"
"position outside of data, OverflowError for numbers that are no size.");

static PyObject *
parse(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 5) {
        return PyErr_Format(PyExc_TypeError, "parse() takes 5 arguments, not %zd", nargs);
    }
    PyObject *data = args[0], *received = args[3];
    if (!PyBytes_Check(data) || !PyList_Check(received)) {
        return PyErr_Format(PyExc_TypeError, "parse() takes bytes and a list, not %s and %s", Py_TYPE(data)->tp_name,
                            Py_TYPE(received)->tp_name);
    }
    Py_ssize_t position = PyLong_AsSsize_t(args[1]);
    Py_ssize_t max_size = PyLong_AsSsize_t(args[2]);
    Py_ssize_t budget = PyLong_AsSsize_t(args[4]);
    if ((position == -1 || max_size == -1 || budget == -1) && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t size = PyBytes_GET_SIZE(data), before = PyList_GET_SIZE(received);
    if (position < 0 || position > size) {
        return PyErr_Format(PyExc_ValueError, "position must be from 0 to %zd, not %zd", size, position);
    }
    if (budget <= before) {
        return PyLong_FromSsize_t(position);
    }
    const unsigned char *first = (const unsigned char *)PyBytes_AS_STRING(data);
    const unsigned char *next = parse_frames(first + position, first + size, max_size, received, budget - before);
    return next == NULL ? NULL : PyLong_FromSsize_t(next - first);
}

/* Write the header of an unmasked frame and return its length. */
static inline Py_ssize_t
put_header(unsigned char *header, unsigned char first, Py_ssize_t length)
{
    header[0] = first;
    if (length < 126) {
        header[1] = (unsigned char)length;
        return 2;
    }
    Py_ssize_t bytes = length < 65536 ? 2 : 8;
    header[1] = bytes == 2 ? 126 : 127;
    for (Py_ssize_t i = 0; i < bytes; i++) {
        header[2 + i] = (unsigned char)((uint64_t)length >> 8 * (bytes - 1 - i));
    }
    return 2 + bytes;
}

static PyObject *
framed(unsigned char first, const void *payload, Py_ssize_t length, Py_ssize_t limit)
{
    if (length >= limit) {
        Py_RETURN_NONE;
    }
    unsigned char header[LONGEST_HEADER];
    Py_ssize_t start = put_header(header, first, length);
    if (length > PY_SSIZE_T_MAX - start) {
        return PyErr_NoMemory();
    }
    PyObject *frame = PyBytes_FromStringAndSize(NULL, start + length);
    if (frame != NULL) {
        memcpy(PyBytes_AS_STRING(frame), header, (size_t)start);
        memcpy(PyBytes_AS_STRING(frame) + start, payload, (size_t)length);
    }
    return frame;
}

/* Text that isn't ASCII. Not by PyUnicode_AsUTF8AndSize: the user's str would keep the bytes for as long as it lives. */
static PyObject *
framed_text(PyObject *text, Py_ssize_t limit)
{
    if (PyUnicode_GET_LENGTH(text) >= limit) {
        Py_RETURN_NONE; /* its bytes are no fewer */
    }
    PyObject *payload = PyUnicode_AsUTF8String(text);
    if (payload == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return NULL;
        }
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    PyObject *frame = framed(FIN_TEXT, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload), limit);
    Py_DECREF(payload);
    return frame;
}

PyDoc_STRVAR(encode_one_doc,
"encode_one(frames, limit, /)\n--\n\n"
"As actorws.protocol.encoder.encode_one_in_python. Raises TypeError for a limit that is no int, OverflowError\n"
"for one that is no size.");

static PyObject *
encode_one(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        return PyErr_Format(PyExc_TypeError, "encode_one() takes 2 arguments, not %zd", nargs);
    }
    PyObject *frames = args[0], *frame;
    Py_ssize_t limit = PyLong_AsSsize_t(args[1]);
    if (limit == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (PyList_CheckExact(frames) && PyList_GET_SIZE(frames) == 1) {
        frame = PyList_GET_ITEM(frames, 0);
    } else if (PyTuple_CheckExact(frames) && PyTuple_GET_SIZE(frames) == 1) {
        frame = PyTuple_GET_ITEM(frames, 0);
    } else {
        Py_RETURN_NONE;
    }
    if (PyBytes_CheckExact(frame)) {
        return framed(FIN_BINARY, PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), limit);
    }
    if (!PyUnicode_CheckExact(frame)) {
        Py_RETURN_NONE;
    }
    if (PyUnicode_IS_COMPACT_ASCII(frame)) {
        return framed(FIN_TEXT, PyUnicode_1BYTE_DATA(frame), PyUnicode_GET_LENGTH(frame), limit);
    }
    return framed_text(frame, limit);
}

static PyMethodDef functions[] = {
    {"parse", (PyCFunction)(void (*)(void))parse, METH_FASTCALL, parse_doc},
    {"encode_one", (PyCFunction)(void (*)(void))encode_one, METH_FASTCALL, encode_one_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* lists that are given belong to the thread of the event loop */
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "actorws.protocol._speedups",
    .m_doc = "The codec's inner loop in C.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&module);
}
