/* limit PORT: the floor, the least that a server can do: bytes are read, unmasked in place, and written.
 *
 * Serves 127.0.0.1 as benchmarks/contender.py says: / and /async echo, /fan and /topic go to everybody on the path.
 * One thread, epoll; one send for all that goes out on a connection in a turn. What a fan-out sends in a turn is laid
 * out once, and written to each member from there.
 *
 * Whoever takes nothing is not read until it has taken all; a member that is BEHIND bytes behind is dropped. It bears
 * with well-behaved clients only: what is not served (a fragment, a frame without a mask, over 16 MiB, anything that is
 * no handshake) ends the connection without a word. Port 0: one that is free, which the first line of output tells. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"

#define LARGEST (16u << 20) /* Bytes of a message. */
#define BEHIND (32u << 20)
#define READ (260 << 10) /* Bytes that one recv takes at most: 256 KiB of payload, and a header. */
#define HEAD (16 << 10) /* Bytes of a request's head. */
#define EVENTS 1024

struct bytes {
    uint8_t *at;
    size_t count, room;
};

struct connection {
    int fd;
    bool open, ended, writing;
    struct group *group;
    size_t member;        /* Its place in the group. */
    struct bytes in, out; /* A frame whose rest is still to come; what the kernel did not take. */
};

struct group {
    const char *path;
    struct connection **members;
    size_t count, room;
    struct bytes turn; /* What is sent to all of them at the end of this turn. */
};

static struct group groups[] = {{.path = "/fan"}, {.path = "/topic"}};
static int epoll, listener;
static uint8_t input[READ];

static _Noreturn void quit(const char *what) {
    fprintf(stderr, "limit: %s: %m\n", what);
    exit(1);
}

static void *resized(void *block, size_t size) {
    block = realloc(block, size);
    if (!block) quit("no memory");
    return block;
}

static void append(struct bytes *to, const void *bytes, size_t count) {
    if (to->count + count > to->room) to->at = resized(to->at, to->room = 2 * (to->count + count));
    memcpy(to->at + to->count, bytes, count);
    to->count += count;
}

static void release(struct bytes *bytes) {
    free(bytes->at);
    *bytes = (struct bytes){0};
}

/* ---- Output */

static void set_interest(struct connection *c, bool writing) {
    if (c->writing == writing) return;
    c->writing = writing;
    struct epoll_event event = {.events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static size_t sent(struct connection *c, const uint8_t *bytes, size_t count) {
    ssize_t taken = send(c->fd, bytes, count, MSG_NOSIGNAL);
    if (taken >= 0) return (size_t)taken;
    if (errno != EAGAIN) c->ended = true;
    return 0;
}

static void put(struct connection *c, const uint8_t *bytes, size_t count) {
    size_t taken = c->out.count || !count ? 0 : sent(c, bytes, count);
    if (taken == count) return;
    append(&c->out, bytes + taken, count - taken);
    if (c->out.count > BEHIND) c->ended = true;
    set_interest(c, true);
}

static void on_writable(struct connection *c) {
    size_t taken = sent(c, c->out.at, c->out.count);
    c->out.count -= taken;
    memmove(c->out.at, c->out.at + taken, c->out.count);
    if (c->out.count) return;
    release(&c->out);
    set_interest(c, false);
}

/* ---- Groups */

static void join(struct group *group, struct connection *c) {
    if (group->count == group->room)
        group->members = resized(group->members, (group->room = 2 * group->room + 16) * sizeof *group->members);
    c->group = group;
    c->member = group->count;
    group->members[group->count++] = c;
}

static void leave(struct connection *c) {
    struct connection *last = c->group->members[--c->group->count];
    c->group->members[c->member] = last;
    last->member = c->member;
}

static void end(struct connection *c) {
    if (c->group) leave(c);
    close(c->fd);
    release(&c->in);
    release(&c->out);
    free(c);
}

static void end_turn(struct group *group) {
    if (!group->turn.count) return;
    for (size_t i = group->count; i-- > 0;) { /* Backwards: who leaves is replaced by one who had it. */
        struct connection *c = group->members[i];
        put(c, group->turn.at, group->turn.count);
        if (c->ended) end(c);
    }
    group->turn.count = 0;
}

/* ---- Frames (RFC 6455 section 5.2) */

struct frame {
    size_t header, size; /* Bytes before the mask; of the payload. */
};

/* False if it isn't known yet. */
static bool read_header(const uint8_t *bytes, size_t count, struct frame *frame) {
    if (count < 2) return false;
    size_t form = bytes[1] & 127, more = form < 126 ? 0 : form == 126 ? 2 : 8;
    if (count < 2 + more) return false;
    frame->header = 2 + more;
    frame->size = more ? 0 : form;
    for (size_t i = 0; i < more; i++) frame->size = frame->size << 8 | bytes[2 + i];
    return true;
}

static bool is_served(const uint8_t *bytes, const struct frame *frame) {
    uint8_t first = bytes[0];
    bool is_control = first >= 0x88 && first <= 0x8A;
    if (!(bytes[1] & 0x80)) return false;
    return is_control ? frame->size <= 125 : (first == 0x81 || first == 0x82) && frame->size <= LARGEST;
}

static void unmask(uint8_t *restrict payload, size_t size, const uint8_t *mask) {
    uint64_t wide, word;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(&word, payload + i, 8);
        word ^= wide;
        memcpy(payload + i, &word, 8);
    }
    for (; i < size; i++) payload[i] ^= mask[i & 3];
}

/* Turns a whole frame from the client into the one that goes back, which ends where it ended and begins 4 bytes later:
 * there the mask is left out. */
static uint8_t *turned(struct connection *c, uint8_t *bytes, const struct frame *frame) {
    uint8_t mask[4], *answer = bytes + 4;
    memcpy(mask, bytes + frame->header, 4);
    unmask(bytes + frame->header + 4, frame->size, mask);
    memmove(answer, bytes, frame->header);
    answer[1] &= 127;
    if (answer[0] == 0x89) answer[0] = 0x8A;
    if (answer[0] == 0x88) c->ended = true;
    return answer;
}

/* Answers all whole frames; how many bytes were used. */
static size_t on_frames(struct connection *c, uint8_t *bytes, size_t count) {
    size_t used = 0, begin = 4, end = 4; /* The answers, put together at the beginning of the bytes they came in. */
    struct frame frame;
    while (!c->ended && read_header(bytes + used, count - used, &frame)) {
        uint8_t *one = bytes + used;
        if (!is_served(one, &frame)) {
            c->ended = true;
            break;
        }
        size_t whole = frame.header + 4 + frame.size, answered = frame.header + frame.size;
        if (count - used < whole) break;
        bool is_pong = one[0] == 0x8A, is_message = one[0] < 0x88;
        uint8_t *answer = turned(c, one, &frame);
        if (is_message && c->group) {
            append(&c->group->turn, answer, answered);
        } else if (!is_pong) {
            if (bytes + end != answer) memmove(bytes + end, answer, answered);
            end += answered;
        }
        used += whole;
    }
    if (end > begin) put(c, bytes + begin, end - begin);
    return used;
}

/* ---- The handshake (RFC 6455 section 4.2) */

static bool is_path(const char *head, const char *path) {
    size_t size = strlen(path);
    return !strncmp(head, "GET ", 4) && !strncmp(head + 4, path, size) && head[4 + size] == ' ';
}

static bool find_path(struct connection *c, const char *head) {
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (!is_path(head, groups[i].path)) continue;
        join(&groups[i], c);
        return true;
    }
    return is_path(head, "/") || is_path(head, "/async");
}

/* How many bytes were used. */
static size_t on_request(struct connection *c, uint8_t *bytes, size_t count) {
    static const char name[] = "\r\nSec-WebSocket-Key:";
    uint8_t *end = memmem(bytes, count, "\r\n\r\n", 4);
    if (!end) {
        c->ended = count > HEAD;
        return 0;
    }
    end[2] = 0;
    const char *key = strcasestr((char *)bytes, name);
    if (key) key += sizeof name - 1, key += strspn(key, " \t");
    if (!key || strlen(key) < KEY_SIZE || !find_path(c, (char *)bytes)) {
        c->ended = true;
        return 0;
    }
    char accept[ACCEPT_SIZE], answer[256];
    accept_of(key, accept);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %.*s\r\n\r\n", ACCEPT_SIZE, accept);
    put(c, (uint8_t *)answer, (size_t)size);
    c->open = true;
    return (size_t)(end + 4 - bytes);
}

/* ---- Input */

/* Keep what was not used; where the whole frame is known to be longer, with room for the rest of it. */
static void keep(struct connection *c, const uint8_t *rest, size_t count) {
    struct frame frame;
    if (!count) return release(&c->in);
    size_t room = c->open && read_header(rest, count, &frame) ? frame.header + 4 + frame.size : READ;
    if (room < count) room = count;
    if (c->in.at) {
        memmove(c->in.at, rest, count);
    } else {
        c->in.at = resized(NULL, room);
        memcpy(c->in.at, rest, count);
        c->in.room = room;
    }
    if (c->in.room < room) c->in.at = resized(c->in.at, c->in.room = room);
    c->in.count = count;
}

static void on_readable(struct connection *c) {
    struct bytes to = c->in.at ? c->in : (struct bytes){.at = input, .room = READ};
    ssize_t came = recv(c->fd, to.at + to.count, to.room - to.count, 0);
    if (came < 0 && errno == EAGAIN) return;
    if (came <= 0) {
        c->ended = true;
        return;
    }
    size_t count = to.count + (size_t)came, used = 0;
    if (!c->open) used = on_request(c, to.at, count);
    if (c->open) used += on_frames(c, to.at + used, count - used);
    if (!c->ended) keep(c, to.at + used, count - used);
}

/* ---- The loop */

static void on_connection(void) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = resized(NULL, sizeof *c);
        *c = (struct connection){.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) quit("epoll_ctl");
    }
    if (errno == EMFILE || errno == ENFILE) quit("no descriptor for one more connection");
}

static void on_event(struct connection *c, uint32_t events) {
    if (c->writing)
        on_writable(c);
    else if (events & ~(uint32_t)EPOLLOUT)
        on_readable(c);
    if (c->ended) end(c);
}

static void listen_on(const char *word) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *rest;
    long port = strtol(word, &rest, 10);
    if (!*word || *rest || port < 0 || port > 65535) {
        fprintf(stderr, "limit: the port must be from 0 to 65535, not '%s'\n", word);
        exit(2);
    }
    at.sin_port = htons((uint16_t)port);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) quit(word);
    getsockname(listener, (struct sockaddr *)&at, &(socklen_t){sizeof at});
    printf("listening on http://127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
}

static void on_signal(int number) {
    (void)number;
    _exit(0);
}

int main(int count, char **words) {
    if (count != 2) {
        fputs("usage: limit PORT\n", stderr);
        return 2;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    /* Buffers of great messages come and go: pages that were given back would have to be zeroed each time. */
    mallopt(M_MMAP_THRESHOLD, 2 * BEHIND);
    mallopt(M_TRIM_THRESHOLD, 2 * BEHIND);
    listen_on(words[1]);
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    static struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr)
                on_event(events[i].data.ptr, events[i].events);
            else
                on_connection();
        }
        for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) end_turn(&groups[i]);
    }
}
