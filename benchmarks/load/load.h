/* What the parts of the generator share.
 *
 *   load.c         the talk with who started it, and the loop
 *   options.c      the command line
 *   connection.c   a connection: handshake, frames to the server and from it
 *   mode.c         what is sent when, and what counts as latency, for each mode
 *   histogram.h    latencies */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNUSABLE 2 /* The exit status for a wrong option, or what this machine does not allow; else it is 1. */

/* ---- options.c */

struct options {
    const struct mode *mode;
    int port, connections, window, slow;
    size_t size;
    const char *path;
    double rate, seconds;
    double opening, patience; /* Seconds for one more connection to open; after the work, for what is to come. */
    bool text;
};

extern struct options options;

void read_options(int count, char **words);

/* Says in one line why not, and ends the program. */
_Noreturn void quit(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- connection.c */

#define STAMP 16 /* Bytes of a time in a payload. */

enum { CONTROL_MOST = 2 + 125 }; /* Bytes of a control frame from a server (RFC 6455 section 5.5). */

struct connection {
    int fd;
    enum { ASKED, OPEN, CLOSING } state; /* CLOSING: our Close has gone out. */
    bool writing;                        /* The kernel did not take all; it will say when there is room. */
    bool checked;                        /* The payload of the message that is arriving is compared. */
    uint64_t got;                        /* Messages that have come. */
    uint64_t stamp;                      /* Of the message that is arriving. */
    size_t left;                         /* Bytes of it that have still to come. */
    uint64_t since, *sent;               /* Of the mode: when its cycle began; when each message in flight was sent. */
    uint64_t goal;                       /* Of the mode: how many messages it waits for. */
    uint8_t *kept;                       /* What the kernel did not take: from kept_at on, kept_count bytes. */
    size_t kept_at, kept_count, kept_room;
    size_t held_count;
    uint8_t held[CONTROL_MOST]; /* The beginning of a frame whose rest has still to come. */
};

extern struct connection *connections;
extern int epoll, handshakes;
extern uint64_t messages, lost; /* Messages that have come; connections that the server ended. */

int number_of(const struct connection *c);
void prepare_frames(void);
void connect_to_server(struct connection *c);
void on_event(struct connection *c, uint32_t events);
void end_connection(struct connection *c);

/* Send `count` messages at once. With a stamp, the first gets `stamp`, each further one the next greater number. */
void send_messages(struct connection *c, uint64_t count, uint64_t stamp);
void send_close(struct connection *c);

/* ---- mode.c: each function may be missing. Times are in nanoseconds. */

struct mode {
    const char *name;
    bool stamped;      /* Its messages carry the time at which they were sent or due; there are at least 16 bytes. */
    bool opens_itself; /* Opening connections is its work: none are opened before. */
    bool paced;        /* Messages are due at a rate. */
    void (*prepare)(void);
    void (*begin)(uint64_t now);
    void (*opened)(struct connection *c);
    void (*message)(struct connection *c, uint64_t now);
    void (*after_read)(struct connection *c, uint64_t count, uint64_t now);
    void (*after_turn)(void);
    bool (*may_end)(struct connection *c); /* Whether the server may end this connection; then it was dealt with. */
    void (*print)(void);                   /* Further figures. */
};

extern const struct mode modes[];
extern uint64_t work_began, work_ends, expected; /* How many messages are to come in all. */

const struct mode *mode_called(const char *name);
bool reads_nothing(const struct connection *c);
void print_latency(void);

/* ---- load.c */

uint64_t now_ns(void);
