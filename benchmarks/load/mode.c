/* Modes: what is sent when, and from when to when a latency is (the contract is `Mode` in benchmarks/question.py). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "histogram.h"
#include "load.h"

static struct histogram latency;
uint64_t expected;

static void record(uint64_t from, uint64_t to) {
    messages++;
    histogram_add(&latency, to > from ? to - from : 0);
}

void print_latency(void) {
    if (!latency.total) return;
    printf(", \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f",
           histogram_at(&latency, 0.5) / 1e3, histogram_at(&latency, 0.9) / 1e3, histogram_at(&latency, 0.99) / 1e3,
           histogram_at(&latency, 0.999) / 1e3, (double)latency.greatest / 1e3);
}

/* Nothing new is begun after the work; what has been begun is waited for, and counts. */
static bool goes_on(uint64_t now) { return now < work_ends; }

static void *room(size_t count) {
    void *block = calloc(count, sizeof(uint64_t));
    if (!block) quit(UNUSABLE, "no memory for %zu messages in flight", count);
    return block;
}

static _Noreturn void unexpected(const struct connection *c) {
    quit(1, "connection %d: message %llu is not the one that was due", number_of(c), (unsigned long long)c->got);
}

/* ---- echo: each connection has `window` messages in flight; latency from when one was sent. */

static void echo_prepare(void) {
    uint64_t *sent = room((size_t)options.connections * (size_t)options.window);
    for (int i = 0; i < options.connections; i++) connections[i].sent = sent + (size_t)i * (size_t)options.window;
}

static void echo_begin(uint64_t now) {
    (void)now;
    for (struct connection *c = connections; c < connections + options.connections; c++) {
        uint64_t sending = now_ns();
        for (int i = 0; i < options.window; i++) c->sent[i] = sending;
        send_messages(c, (uint64_t)options.window, 0);
        expected += (uint64_t)options.window;
    }
}

static void echo_message(struct connection *c, uint64_t now) {
    uint64_t *sent = &c->sent[c->got % (uint64_t)options.window];
    if (!*sent) unexpected(c);
    record(*sent, now);
    *sent = 0;
}

static void echo_after_read(struct connection *c, uint64_t count, uint64_t now) {
    if (!goes_on(now)) return;
    for (uint64_t i = c->got - count; i < c->got; i++) c->sent[i % (uint64_t)options.window] = now;
    send_messages(c, count, 0);
    expected += count;
}

/* ---- What is due at a rate: message k at its time, whether or not earlier ones have come back */

static int timer = -1;
static uint64_t all_due, sent_so_far;

static uint64_t due(uint64_t k) { return work_began + (uint64_t)((double)k * 1e9 / options.rate); }

static void paced_prepare(void) {
    all_due = (uint64_t)(options.rate * options.seconds);
    if (!all_due) all_due = 1;
    expected = all_due * (options.mode->stamped ? (uint64_t)(options.connections - options.slow) : 1);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET}; /* Edges only: it is never read. */
    if (timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event)) quit(1, "no timer: %m");
}

/* How many are due now and were not sent. */
static uint64_t to_be_sent(void) {
    uint64_t now = now_ns(), reached = sent_so_far;
    while (reached < all_due && due(reached) <= now) reached++;
    return reached - sent_so_far;
}

static void wake_up_for_next(void) {
    if (sent_so_far == all_due) return;
    uint64_t next = due(sent_so_far);
    struct itimerspec at = {.it_value = {(time_t)(next / 1000000000), (long)(next % 1000000000)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* ---- paced: connections in turn; latency from when a message was due. */

/* The j-th of connection i was message i + j * connections. */
static void paced_send(void) {
    uint64_t count = to_be_sent(), all = (uint64_t)options.connections;
    for (uint64_t i = 0; i < count && i < all; i++)
        send_messages(&connections[(sent_so_far + i) % all], (count - i + all - 1) / all, 0);
    sent_so_far += count;
    if (count) wake_up_for_next();
}

static void paced_begin(uint64_t now) {
    (void)now;
    paced_send();
}

static void paced_message(struct connection *c, uint64_t now) {
    uint64_t k = (uint64_t)number_of(c) + c->got * (uint64_t)options.connections;
    if (k >= sent_so_far) unexpected(c);
    record(due(k), now);
}

/* ---- fan: connection 0 sends; a message is in flight until everybody has it. Latency at each of them. */

static uint64_t *published, *missing; /* For each message in flight its stamp, and how many have not got it. */
static uint64_t publishes, completed; /* All; those that have got to everybody since the last were sent. */

static void publish(uint64_t count) {
    static uint64_t stamp; /* Each is greater than the one before: a message that comes twice is found. */
    uint64_t now = now_ns(), first = now > stamp ? now : stamp + 1;
    for (stamp = first; stamp < first + count; stamp++) {
        uint64_t slot = publishes++ % (uint64_t)options.window;
        published[slot] = stamp;
        missing[slot] = (uint64_t)options.connections;
    }
    send_messages(&connections[0], count, first);
    expected += count * (uint64_t)options.connections;
}

static void fan_prepare(void) {
    published = room((size_t)options.window);
    missing = room((size_t)options.window);
}

static void fan_begin(uint64_t now) {
    (void)now;
    publish((uint64_t)options.window);
}

static void fan_message(struct connection *c, uint64_t now) {
    uint64_t slot = c->got % (uint64_t)options.window;
    if (c->stamp != published[slot] || !missing[slot]) unexpected(c);
    record(c->stamp, now);
    if (!--missing[slot]) completed++;
}

static void fan_after_turn(void) {
    if (!completed || !goes_on(now_ns())) return;
    uint64_t count = completed;
    completed = 0;
    publish(count);
}

/* ---- slow: connection 0 sends what is due; the last `slow` connections read nothing. Latency of the others. */

static uint64_t ended_slow;

bool reads_nothing(const struct connection *c) { return number_of(c) >= options.connections - options.slow; }

static void slow_send(void) {
    uint64_t count = to_be_sent();
    for (uint64_t i = 0; i < count; i++) send_messages(&connections[0], 1, due(sent_so_far + i));
    sent_so_far += count;
    if (count) wake_up_for_next();
}

static void slow_begin(uint64_t now) {
    (void)now;
    slow_send();
}

static void slow_message(struct connection *c, uint64_t now) {
    if (c->got >= sent_so_far || c->stamp != due(c->got)) unexpected(c);
    record(c->stamp, now);
}

/* A server may drop who reads nothing; it has to bear the others. */
static bool slow_may_end(struct connection *c) {
    if (c->state != OPEN || !reads_nothing(c)) return false;
    ended_slow++;
    end_connection(c);
    return true;
}

static void slow_print(void) { printf(", \"ended_slow\": %llu", (unsigned long long)ended_slow); }

/* ---- chat: everybody sends `window`, and again when everybody's have come. Latency at each of them. */

static void chat_send(struct connection *c) {
    uint64_t deliveries = (uint64_t)options.connections * (uint64_t)options.window;
    send_messages(c, (uint64_t)options.window, now_ns());
    c->goal += deliveries;
    expected += deliveries;
}

static void chat_begin(uint64_t now) {
    (void)now;
    for (int i = 0; i < options.connections; i++) chat_send(&connections[i]);
}

static void chat_message(struct connection *c, uint64_t now) {
    /* Stamps of one send differ by a nanosecond each. */
    if (c->stamp < work_began || c->stamp > now + (uint64_t)options.window) unexpected(c);
    record(c->stamp, now);
}

static void chat_after_read(struct connection *c, uint64_t count, uint64_t now) {
    (void)count;
    /* What somebody quick has sent since may come before what completes the round. */
    while (goes_on(now) && c->got >= c->goal) chat_send(c);
}

/* ---- churn: connect, one echo, Close 1000, and again when the server has ended the stream, as RFC 6455 section 7.1.1
 * asks it to: so its own closing is part of what is measured. Latency of the whole cycle, which counts as a message. */

static void churn_connect(struct connection *c) {
    connect_to_server(c);
    expected++;
}

static void churn_begin(uint64_t now) {
    (void)now;
    for (int i = 0; i < options.connections; i++) churn_connect(&connections[i]);
}

static void churn_opened(struct connection *c) { send_messages(c, 1, 0); }

static void churn_message(struct connection *c, uint64_t now) {
    (void)now;
    send_close(c);
}

static bool churn_may_end(struct connection *c) {
    if (c->state != CLOSING) return false;
    uint64_t now = now_ns();
    record(c->since, now);
    end_connection(c);
    if (goes_on(now)) churn_connect(c);
    return true;
}

/* ---- idle: connections are held. */

static bool idle_may_end(struct connection *c) {
    if (c->state != OPEN) return false;
    lost++;
    end_connection(c);
    return true;
}

/* ---- */

const struct mode modes[] = {
    {.name = "echo", .prepare = echo_prepare, .begin = echo_begin, .message = echo_message,
     .after_read = echo_after_read},
    {.name = "paced", .paced = true, .prepare = paced_prepare, .begin = paced_begin, .message = paced_message,
     .after_turn = paced_send},
    {.name = "fan", .stamped = true, .prepare = fan_prepare, .begin = fan_begin, .message = fan_message,
     .after_turn = fan_after_turn},
    {.name = "chat", .stamped = true, .begin = chat_begin, .message = chat_message, .after_read = chat_after_read},
    {.name = "churn", .opens_itself = true, .begin = churn_begin, .opened = churn_opened, .message = churn_message,
     .may_end = churn_may_end},
    {.name = "idle", .may_end = idle_may_end},
    {.name = "slow", .stamped = true, .paced = true, .prepare = paced_prepare, .begin = slow_begin,
     .message = slow_message, .after_turn = slow_send, .may_end = slow_may_end, .print = slow_print},
};

const struct mode *mode_called(const char *name) {
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (!strcmp(modes[i].name, name)) return &modes[i];
    return NULL;
}
