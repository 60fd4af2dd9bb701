/* load: drives a WebSocket server on 127.0.0.1, in one thread, cheaply enough that the server is what is measured.
 *
 * Opens its connections, prints {"opened": N, "open_seconds": S}, waits for a line on its input, works, and prints its
 * figures, each a line of JSON (the contract is in benchmarks/question.py). An answer that is not what was due, or a
 * connection that the server ends, ends the run with a sentence and status 1.
 *
 * All connections are reset at the end, however that comes: nothing is left in TIME_WAIT that the next server would
 * meet. More than 20 000 of them come from several addresses of 127.0.0.0/8, as ports would not do. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define SECOND 1000000000ull
#define AT_ONCE 96       /* Connections that are being opened: servers on asyncio have room for 100 that wait. */
#define EVENTS 1024      /* In one turn. */
#define SPARE 16         /* Descriptors for everything else. */
#define STARTER 120      /* Seconds for the line that work begins with. */
#define JOINING_MS 200   /* After a member's 101: a server may enter it among the others only then. */
#define HOLDING_MS 100   /* How long connections stay after the work, for who reads the server's CPU time then. */

uint64_t work_began, work_ends;

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void allow_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if ((rlim_t)options.connections + SPARE > limit.rlim_cur)
        quit(UNUSABLE, "%d connections need more descriptors than the hard limit allows (ulimit -Hn: %llu)",
             options.connections, (unsigned long long)limit.rlim_cur);
}

/* ---- The loop */

static uint64_t nanoseconds(double seconds) { return (uint64_t)(seconds * (double)SECOND); }

static uint64_t after(double seconds) { return now_ns() + nanoseconds(seconds); }

/* Wait until there is something to do, `until` at the latest; do it. */
static void turn(uint64_t until) {
    static struct epoll_event events[EVENTS];
    uint64_t now = now_ns();
    int wait_ms = until > now ? (int)((until - now + 999999) / 1000000) : 0;
    int count = epoll_wait(epoll, events, EVENTS, wait_ms);
    if (count < 0 && errno != EINTR) quit(1, "epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr) on_event(events[i].data.ptr, events[i].events); /* Else it was a timer. */
}

static void open_all(void) {
    int started = 0, before = 0;
    uint64_t deadline = after(options.opening);
    while (handshakes < options.connections) {
        while (started < options.connections && started - handshakes < AT_ONCE)
            connect_to_server(&connections[started++]);
        turn(deadline);
        if (handshakes > before)
            deadline = after(options.opening);
        else if (now_ns() > deadline)
            quit(1, "the server has opened %d of %d connections and then none for %g s", handshakes,
                 options.connections, options.opening);
        before = handshakes;
    }
    if (!options.mode->stamped) return;
    for (deadline = now_ns() + JOINING_MS * 1000000ull; now_ns() < deadline;) turn(deadline);
}

/* Everything that was sent has to come: so the server's work is that of the messages that count, a message that it has
 * lost is found, and none of its connections is reset in the middle of something. */
static bool is_over(uint64_t now) {
    if (now < work_ends) return false;
    if (messages < expected && now > work_ends + nanoseconds(options.patience))
        quit(1, "%llu of %llu messages have not come, %g s after the work", (unsigned long long)(expected - messages),
             (unsigned long long)expected, options.patience);
    return messages >= expected;
}

static void work(void) {
    const struct mode *mode = options.mode;
    work_began = now_ns();
    work_ends = work_began + nanoseconds(options.seconds);
    if (mode->begin) mode->begin(work_began);
    for (uint64_t now = work_began; !is_over(now); now = now_ns()) {
        turn(now < work_ends ? work_ends : work_ends + nanoseconds(options.patience));
        if (mode->after_turn) mode->after_turn();
    }
}

/* ---- The talk */

static void wait_for_line(void) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte = 0;
    while (byte != '\n') {
        if (poll(&input, 1, STARTER * 1000) <= 0) quit(1, "there was no line to begin with within %d s", STARTER);
        if (read(STDIN_FILENO, &byte, 1) <= 0) quit(1, "the input ended before the line to begin with");
    }
}

static void print_figures(double seconds, double cpu) {
    int open = 0;
    for (int i = 0; i < options.connections; i++) open += connections[i].fd >= 0 && connections[i].state == OPEN;
    printf("{\"messages\": %llu, \"seconds\": %.6f, \"cpu\": %.6f, \"failed\": %llu, \"open\": %d",
           (unsigned long long)messages, seconds, cpu, (unsigned long long)lost, open);
    print_latency();
    if (options.mode->print) options.mode->print();
    puts("}");
    fflush(stdout);
}

int main(int count, char **words) {
    read_options(count, words);
    allow_descriptors();
    epoll = epoll_create1(0);
    connections = calloc((size_t)options.connections, sizeof *connections);
    if (epoll < 0 || !connections) quit(UNUSABLE, "no memory for %d connections", options.connections);
    for (int i = 0; i < options.connections; i++) connections[i].fd = -1;
    prepare_frames();
    if (options.mode->prepare) options.mode->prepare();

    uint64_t began = now_ns();
    if (!options.mode->opens_itself) open_all();
    printf("{\"opened\": %d, \"open_seconds\": %.6f}\n", handshakes, (double)(now_ns() - began) / 1e9);
    fflush(stdout);
    wait_for_line();

    double cpu = cpu_seconds();
    work();
    print_figures((double)(now_ns() - work_began) / 1e9, cpu_seconds() - cpu);
    poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, HOLDING_MS);
    return 0;
}
