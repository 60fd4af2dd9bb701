/* A connection: its handshake, frames to the server, and frames from it.
 *
 * Rule owned here: what comes from a server is compared with what has to come. All messages of a run have one length,
 * so each frame has one header: opcode, FIN and length are one comparison. Payloads are compared where they are small,
 * else in the first message of a connection and in every 1000th. Messages come in one frame each, as all servers here
 * send them. Whatever differs ends the run. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define READ (260 << 10)    /* Bytes that one recv takes at most: 256 KiB of payload, and a header. */
#define BURST (256 << 10)   /* Bytes of messages that are laid out to go with one send. */
#define HEAD (8 << 10)      /* Bytes of a response that is no rubbish yet. */
#define SMALL 256           /* Bytes of a message that is always compared. */
#define SAMPLE 1000         /* Of greater ones, each so many-th. */
#define VARIANTS 16         /* Masks: neighbours have different ones. */
#define SEGMENT 1448        /* Bytes of TCP in a packet of Ethernet, with time stamps. */
#define SLOW_BUFFER 4096    /* Bytes that the kernel keeps for who reads nothing, before it makes the server wait. */

#ifndef PER_ADDRESS
#define PER_ADDRESS 20000 /* Connections from one address; Linux has 28 000 ports for them. */
#endif

/* The nonce that RFC 6455 section 1.3 has as its example, so that the answer is known without computing it. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define wrong(c, format, ...) quit(1, "connection %d: " format, number_of(c), ##__VA_ARGS__)

struct connection *connections;
int epoll, handshakes;
uint64_t messages, lost;

int number_of(const struct connection *c) { return (int)(c - connections); }

/* ---- Frames to be sent, laid out once for each mask, `copies` of them behind one another */

struct burst {
    uint8_t mask[4], *frames;
};

static struct burst bursts[VARIANTS];
static uint8_t *payload;           /* Of every message; in place of its beginning there may be a stamp. */
static uint8_t header[10];         /* Of a frame from the server (RFC 6455 section 5.2). */
static size_t header_size, lead;   /* Its bytes; those and the stamp's. */
static size_t frame_size, copies;  /* Of a frame to the server. */

static void lay_out_header(void) {
    size_t size = options.size;
    size_t form = size < 126 ? size : size < 1 << 16 ? 126 : 127;
    size_t more = form < 126 ? 0 : form == 126 ? 2 : 8;
    header[0] = 0x80 | (options.text ? 1 : 2);
    header[1] = (uint8_t)form;
    for (size_t i = 0; i < more; i++) header[2 + i] = (uint8_t)(size >> 8 * (more - 1 - i));
    header_size = 2 + more;
    lead = header_size + (options.mode->stamped ? STAMP : 0);
}

static void lay_out_burst(struct burst *burst, uint32_t mask) {
    memcpy(burst->mask, &mask, 4);
    burst->frames = malloc(copies * frame_size);
    if (!burst->frames) quit(UNUSABLE, "no memory for messages of %zu bytes", options.size);
    uint8_t *frame = burst->frames;
    memcpy(frame, header, header_size);
    frame[1] |= 0x80;
    memcpy(frame + header_size, burst->mask, 4);
    for (size_t i = 0; i < options.size; i++) frame[header_size + 4 + i] = payload[i] ^ burst->mask[i % 4];
    for (size_t i = 1; i < copies; i++) memcpy(frame + i * frame_size, frame, frame_size);
}

static const struct burst *burst_of(const struct connection *c) { return &bursts[number_of(c) % VARIANTS]; }

void prepare_frames(void) {
    lay_out_header();
    frame_size = header_size + 4 + options.size;
    copies = BURST / frame_size ? BURST / frame_size : 1;
    payload = malloc(options.size + 1);
    if (!payload) quit(UNUSABLE, "no memory for messages of %zu bytes", options.size);
    for (size_t i = 0; i < options.size; i++) payload[i] = (uint8_t)('a' + i % 26);
    for (int i = 0; i < VARIANTS && i < options.connections; i++)
        lay_out_burst(&bursts[i], 0x9E3779B9u * (uint32_t)(2 * i + 1)); /* Odd times odd: never 0. */
}

/* A stamp is text, so that it may stand in text messages: a letter from a to p for each four bits. */

static uint64_t spread(uint32_t value) {
    uint64_t x = value;
    x = (x | x << 16) & 0x0000FFFF0000FFFF;
    x = (x | x << 8) & 0x00FF00FF00FF00FF;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0F;
    return x + 0x6161616161616161;
}

static bool gather(uint64_t letters, uint64_t *value) {
    uint64_t x = letters - 0x6161616161616161;
    if (x & 0xF0F0F0F0F0F0F0F0) return false;
    x = (x | x >> 4) & 0x00FF00FF00FF00FF;
    x = (x | x >> 8) & 0x0000FFFF0000FFFF;
    *value = (x | x >> 16) & 0xFFFFFFFF;
    return true;
}

static void write_stamp(const struct burst *burst, uint8_t *to, uint64_t stamp) {
    uint32_t mask;
    memcpy(&mask, burst->mask, 4);
    uint64_t wide = (uint64_t)mask << 32 | mask;
    uint64_t letters[2] = {spread((uint32_t)stamp) ^ wide, spread((uint32_t)(stamp >> 32)) ^ wide};
    memcpy(to, letters, STAMP);
}

static uint64_t read_stamp(struct connection *c, const uint8_t *from) {
    uint64_t letters[2], low = 0, high = 0;
    memcpy(letters, from, STAMP);
    if (!gather(letters[0], &low) || !gather(letters[1], &high)) wrong(c, "a message came that nobody has sent");
    return high << 32 | low;
}

/* ---- Output */

static void set_interest(struct connection *c) {
    bool reads = c->state != OPEN || !reads_nothing(c);
    uint32_t wanted = (reads ? EPOLLIN : EPOLLRDHUP) | (c->writing ? EPOLLOUT : 0);
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = wanted, .data.ptr = c});
}

static void keep(struct connection *c, const uint8_t *bytes, size_t count) {
    size_t end = c->kept_at + c->kept_count;
    if (end + count > c->kept_room) {
        c->kept_room = 2 * (end + count);
        c->kept = realloc(c->kept, c->kept_room);
        if (!c->kept) quit(UNUSABLE, "no memory for what the server does not take");
    }
    memcpy(c->kept + end, bytes, count);
    c->kept_count += count;
}

/* How many bytes the kernel took. Where the connection has ended: all, as reading will tell why. */
static size_t sent(struct connection *c, const uint8_t *bytes, size_t count) {
    ssize_t taken = send(c->fd, bytes, count, MSG_NOSIGNAL);
    if (taken >= 0) return (size_t)taken;
    if (errno == EAGAIN || errno == EINTR) return 0;
    if (c->state == ASKED) wrong(c, "can't be opened to 127.0.0.1:%d: %m", options.port);
    return count;
}

static void put(struct connection *c, const uint8_t *bytes, size_t count) {
    size_t taken = c->kept_count ? 0 : sent(c, bytes, count);
    if (taken == count) return;
    keep(c, bytes + taken, count - taken);
    if (c->writing) return;
    c->writing = true;
    set_interest(c);
}

static void put_kept(struct connection *c) {
    size_t taken = sent(c, c->kept + c->kept_at, c->kept_count);
    c->kept_at += taken;
    c->kept_count -= taken;
    if (c->kept_count) return;
    c->kept_at = 0;
    c->writing = false;
    set_interest(c);
}

void send_messages(struct connection *c, uint64_t count, uint64_t stamp) {
    const struct burst *burst = burst_of(c);
    while (count) {
        uint64_t now = count < copies ? count : copies;
        for (uint64_t i = 0; options.mode->stamped && i < now; i++)
            write_stamp(burst, burst->frames + i * frame_size + header_size + 4, stamp++);
        put(c, burst->frames, now * frame_size);
        count -= now;
    }
}

static void put_control(struct connection *c, uint8_t first, const uint8_t *data, size_t size) {
    const uint8_t *mask = burst_of(c)->mask;
    uint8_t frame[CONTROL_MOST + 4] = {first, 0x80 | (uint8_t)size, mask[0], mask[1], mask[2], mask[3]};
    for (size_t i = 0; i < size; i++) frame[6 + i] = data[i] ^ mask[i % 4];
    put(c, frame, 6 + size);
}

void send_close(struct connection *c) {
    c->state = CLOSING;
    put_control(c, 0x88, (const uint8_t[]){1000 >> 8, 1000 & 0xFF}, 2);
}

/* ---- Opening and ending */

static void bind_to_address(struct connection *c) {
    int address = number_of(c) / PER_ADDRESS;
    if (!address) return;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)address)};
    /* So that the kernel chooses a port at connect, when it knows that only the whole pair has to be unique. */
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) wrong(c, "can't come from 127.0.0.%d: %m", 1 + address);
}

static void ask(struct connection *c) {
    char request[512];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\n"
                        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        options.path, options.port, options.port);
    put(c, (uint8_t *)request, (size_t)size);
}

void connect_to_server(struct connection *c) {
    c->state = ASKED;
    c->writing = false;
    c->got = c->left = c->held_count = c->kept_count = c->kept_at = 0;
    c->since = now_ns();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) wrong(c, "no socket: %m");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)); /* It ends with a reset. */
    if (reads_nothing(c)) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &(int){SLOW_BUFFER}, sizeof(int));
        /* Segments as on the Internet: with those of loopback the server's kernel keeps megabytes for it. */
        setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &(int){SEGMENT}, sizeof(int));
    }
    bind_to_address(c);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        wrong(c, "can't be opened to 127.0.0.1:%d: %m", options.port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) wrong(c, "epoll_ctl: %m");
    ask(c); /* Where it isn't connected yet the kernel takes nothing, and says when it does. */
}

void end_connection(struct connection *c) {
    close(c->fd);
    c->fd = -1;
    free(c->kept);
    c->kept = NULL;
    c->kept_room = c->kept_count = c->kept_at = 0;
}

/* ---- Input */

static uint8_t input[CONTROL_MOST + READ]; /* What was held of a connection, then what comes. */

static void check_response(struct connection *c, const char *head) {
    if (strncmp(head, "HTTP/1.1 101 ", 13)) wrong(c, "the server answered '%.*s'", (int)strcspn(head, "\r\n"), head);
    const char *accept = strcasestr(head, "\r\nSec-WebSocket-Accept:");
    if (!accept) wrong(c, "the 101 has no Sec-WebSocket-Accept");
    accept = strchr(accept, ':') + 1;
    accept += strspn(accept, " \t");
    if (strncmp(accept, ACCEPT "\r", sizeof ACCEPT)) wrong(c, "Sec-WebSocket-Accept is not that of the key");
}

static void handshake(struct connection *c, size_t count) {
    uint8_t *end = memmem(input, count, "\r\n\r\n", 4);
    if (!end && count < HEAD) return; /* It was only looked at: it comes again with the rest. */
    if (!end) wrong(c, "the server's answer has no end in %d bytes", HEAD);
    recv(c->fd, input, (size_t)(end + 4 - input), 0);
    end[2] = 0;
    check_response(c, (char *)input);
    c->state = OPEN;
    handshakes++;
    if (reads_nothing(c)) set_interest(c);
    if (options.mode->opened) options.mode->opened(c);
}

static void on_end(struct connection *c, const char *how) {
    if (options.mode->may_end && options.mode->may_end(c)) return;
    wrong(c, "%s: %s", c->state == ASKED ? "not opened" : "ended by the server", how);
}

/* A control frame, or nothing that may come. How many bytes were used; 0: more have to come. */
static size_t take_control(struct connection *c, const uint8_t *bytes, size_t count) {
    uint8_t first = bytes[0];
    if (first < 0x88 || first > 0x8A) wrong(c, "a frame begins with %02x, not with %02x", first, header[0]);
    if (count < 2) return 0;
    size_t size = bytes[1];
    if (size > CONTROL_MOST - 2) wrong(c, "a control frame begins with %02x %02x", first, bytes[1]);
    if (count < 2 + size) return 0;
    if (first == 0x89) put_control(c, 0x8A, bytes + 2, size);
    if (first == 0x88 && c->state != CLOSING) {
        char status[32] = "Close without a status";
        if (size >= 2) snprintf(status, sizeof status, "Close %d", bytes[2] << 8 | bytes[3]);
        on_end(c, status);
        return count;
    }
    return 2 + size;
}

/* The beginning of a frame. How many bytes were used; 0: more have to come. */
static size_t take_lead(struct connection *c, const uint8_t *bytes, size_t count) {
    if (bytes[0] != header[0]) return take_control(c, bytes, count);
    if (memcmp(bytes, header, count < header_size ? count : header_size))
        wrong(c, "message %llu is not %zu bytes long", (unsigned long long)c->got, options.size);
    if (count < lead) return 0;
    if (!work_began || !options.mode->message || c->state != OPEN) wrong(c, "a message came that nobody has sent");
    if (lead > header_size) c->stamp = read_stamp(c, bytes + header_size);
    c->left = options.size - (lead - header_size);
    c->checked = options.size <= SMALL || c->got % SAMPLE == 0;
    return lead;
}

static size_t take_payload(struct connection *c, const uint8_t *bytes, size_t count) {
    if (count > c->left) count = c->left;
    if (c->checked && memcmp(bytes, payload + options.size - c->left, count))
        wrong(c, "the payload of message %llu is not the one that was sent", (unsigned long long)c->got);
    c->left -= count;
    return count;
}

static void take(struct connection *c, const uint8_t *bytes, size_t count, uint64_t now) {
    while (count && c->fd >= 0) {
        bool begins = !c->left;
        size_t used = begins ? take_lead(c, bytes, count) : take_payload(c, bytes, count);
        if (!used) {
            memcpy(c->held, bytes, count);
            c->held_count = count;
            return;
        }
        bool was_message = !begins || bytes[0] == header[0];
        bytes += used;
        count -= used;
        if (was_message && !c->left) {
            options.mode->message(c, now);
            c->got++;
        }
    }
}

static void on_readable(struct connection *c) {
    size_t held = c->held_count;
    ssize_t count = recv(c->fd, input + held, c->state == ASKED ? HEAD : READ, c->state == ASKED ? MSG_PEEK : 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return on_end(c, count ? strerror(errno) : "end of its stream");
    if (c->state == ASKED) return handshake(c, (size_t)count);
    memcpy(input, c->held, held);
    c->held_count = 0;
    uint64_t before = c->got, now = now_ns();
    take(c, input, held + (size_t)count, now);
    if (c->got > before && options.mode->after_read) options.mode->after_read(c, c->got - before, now);
}

void on_event(struct connection *c, uint32_t events) {
    if (events & EPOLLOUT && c->kept_count) put_kept(c);
    if (!(events & ~(uint32_t)EPOLLOUT)) return;
    if (c->state == OPEN && reads_nothing(c)) return on_end(c, "end of its stream");
    on_readable(c);
}
