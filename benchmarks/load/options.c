/* The command line: what may be asked for. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define LARGEST (16 << 20) /* Bytes of a message that every server has to take. */

struct options options = {
    .connections = 1, .window = 1, .size = 32, .path = "/", .seconds = 1, .opening = 20, .patience = 20,
};

static const char usage[] =
    "usage: load --mode MODE --port PORT [--connections N] [--window N] [--size BYTES] [--path PATH]\n"
    "            [--seconds S] [--rate PER_SECOND] [--slow N] [--text] [--opening S]\n"
    "            [--patience S]\n"
    "modes: echo paced fan chat churn idle slow\n";

_Noreturn void quit(int status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(status);
}

static double number(const char *option, const char *word, double least, double most) {
    char *end;
    double value = strtod(word, &end);
    if (!*word || *end || !(value >= least && value <= most))
        quit(UNUSABLE, "--%s must be a number from %g to %.0f, not '%s'", option, least, most, word);
    return value;
}

static int whole(const char *option, const char *word, int least, int most) {
    double value = number(option, word, least, most);
    if (value != (double)(int)value) quit(UNUSABLE, "--%s must be a whole number, not '%s'", option, word);
    return (int)value;
}

static const struct mode *mode(const char *word) {
    const struct mode *found = mode_called(word);
    if (!found) quit(UNUSABLE, "--mode must be echo, paced, fan, chat, churn, idle or slow, not '%s'", word);
    return found;
}

static const char *path(const char *word) {
    if (word[0] != '/' || strlen(word) > 200 || strpbrk(word, " \r\n"))
        quit(UNUSABLE, "--path must begin with /, without spaces, of at most 200 characters, not '%.40s'", word);
    return word;
}

static void check_together(void) {
    const char *name = options.mode->name;
    if (!options.port) quit(UNUSABLE, "--port must be given");
    if (options.mode->stamped && options.size < STAMP)
        quit(UNUSABLE, "--size must be at least %d for %s, whose messages carry a time, not %zu", STAMP, name,
             options.size);
    if (options.mode->paced && options.rate <= 0) quit(UNUSABLE, "--rate must be given for %s, above 0", name);
    if (options.slow && strcmp(name, "slow")) quit(UNUSABLE, "--slow is for --mode slow, not for %s", name);
    if (options.slow >= options.connections)
        quit(UNUSABLE, "--slow must be below --connections %d, not %d", options.connections, options.slow);
}

void read_options(int count, char **words) {
    static const struct option known[] = {
        {"mode", 1, 0, 'm'},  {"port", 1, 0, 'p'},    {"connections", 1, 0, 'c'}, {"window", 1, 0, 'w'},
        {"size", 1, 0, 's'},  {"path", 1, 0, 'P'},    {"seconds", 1, 0, 'S'},     {"rate", 1, 0, 'r'},
        {"slow", 1, 0, 'l'},  {"text", 0, 0, 't'},    {"patience", 1, 0, 'a'},
        {"opening", 1, 0, 'o'},  {0},
    };
    for (int option; (option = getopt_long(count, words, "", known, 0)) != -1;) switch (option) {
        case 'm': options.mode = mode(optarg); break;
        case 'p': options.port = whole("port", optarg, 1, 65535); break;
        case 'c': options.connections = whole("connections", optarg, 1, 1000000); break;
        case 'w': options.window = whole("window", optarg, 1, 65536); break;
        case 's': options.size = (size_t)whole("size", optarg, 0, LARGEST); break;
        case 'P': options.path = path(optarg); break;
        case 'S': options.seconds = number("seconds", optarg, 0, 3600); break;
        case 'r': options.rate = number("rate", optarg, 0, 1e7); break;
        case 'l': options.slow = whole("slow", optarg, 0, 1000000); break;
        case 't': options.text = true; break;
        case 'o': options.opening = number("opening", optarg, 0, 3600); break;
        case 'a': options.patience = number("patience", optarg, 0, 3600); break;
        default: fputs(usage, stderr); exit(UNUSABLE);
    }
    if (optind < count || !options.mode) {
        fputs(usage, stderr);
        exit(UNUSABLE);
    }
    check_together();
}
