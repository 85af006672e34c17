/* A link between two tun devices: a rate, a queue that drops what does not fit, a delay, and loss.
 *
 *   wan_link FD_A FD_B BITS_PER_SECOND DELAY_MICROSECONDS QUEUE_BYTES LOSS_PERCENT SEED
 *
 * FD_A and FD_B are the open devices, without packet headers. Both directions are alike and do not
 * share anything. A packet waits for its turn at the given rate, is then lost by chance or not, and
 * comes out after the delay. Packets are dropped when more than QUEUE_BYTES wait for their turn. The
 * same SEED loses the same packets by number. Ends with standard input.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1 << 14, LONGEST = 2048, BURST = 64, TICK = 250000 /* ns */ };

struct packet {
    int64_t due;
    int length;
    unsigned char bytes[LONGEST];
};

struct direction {
    int from, to;
    struct packet *ring;
    unsigned first, end; /* what is under way lies in [first, end), modulo SLOTS */
    int64_t sent_at;     /* when the packet that came last has left the queue */
    uint64_t chance;
};

static double bits_per_second, loss;
static int64_t delay_ns, queue_bytes;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t duration_of(int64_t bytes) { return (int64_t)(bytes * 8e9 / bits_per_second); }

/* SplitMix64, as a number from 0 to 1. */
static double draw(struct direction *way) {
    uint64_t z = way->chance += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static void take_in(struct direction *way) {
    static unsigned char scrap[LONGEST];
    for (int count = 0; count < BURST; count++) {
        int full = way->end - way->first == SLOTS;
        struct packet *slot = &way->ring[way->end % SLOTS];
        ssize_t length = read(way->from, full ? scrap : slot->bytes, LONGEST);
        if (length <= 0) return;
        int64_t now = now_ns();
        if (way->sent_at < now) way->sent_at = now;
        if (full || way->sent_at - now > duration_of(queue_bytes)) continue;
        way->sent_at += duration_of(length);
        if (draw(way) < loss) continue;
        slot->length = (int)length;
        slot->due = way->sent_at + delay_ns;
        way->end++;
    }
}

/* When the next packet is due, or never. */
static int64_t let_out(struct direction *way) {
    while (way->first != way->end) {
        struct packet *slot = &way->ring[way->first % SLOTS];
        if (slot->due > now_ns()) return slot->due;
        if (write(way->to, slot->bytes, slot->length) < 0) perror("wan_link");
        way->first++;
    }
    return INT64_MAX;
}

static void open_way(struct direction *way, int from, int to, uint64_t seed) {
    memset(way, 0, sizeof *way);
    way->from = from;
    way->to = to;
    way->chance = seed;
    way->ring = malloc(SLOTS * sizeof *way->ring);
    if (!way->ring) exit(1);
    fcntl(from, F_SETFL, O_NONBLOCK);
}

/* While packets are under way it looks at both sides every TICK: that costs far less than waking for
 * each packet, and moves none by more. Otherwise it sleeps until one comes in. */
static void run(struct direction *there, struct direction *back) {
    struct pollfd watched[] = {{0, POLLIN, 0}, {there->from, POLLIN, 0}, {back->from, POLLIN, 0}};
    for (;;) {
        int64_t next = let_out(there), other = let_out(back), now = now_ns();
        if (other < next) next = other;
        int busy = next != INT64_MAX;
        int64_t left = busy && next > now + TICK ? TICK : next - now;
        struct timespec wait = {0, busy && left > TICK / 2 ? left : TICK / 2};
        if (ppoll(watched, busy ? 1 : 3, busy ? &wait : NULL, NULL) < 0) continue;
        if (watched[0].revents) return;
        take_in(there);
        take_in(back);
    }
}

int main(int count, char **words) {
    if (count != 8) {
        fprintf(stderr, "usage: wan_link FD_A FD_B BITS DELAY_US QUEUE_BYTES LOSS_PERCENT SEED\n");
        return 2;
    }
    int a = atoi(words[1]), b = atoi(words[2]);
    bits_per_second = atof(words[3]);
    delay_ns = atoll(words[4]) * 1000;
    queue_bytes = atoll(words[5]);
    loss = atof(words[6]) / 100;
    uint64_t seed = strtoull(words[7], NULL, 10);
    prctl(PR_SET_TIMERSLACK, 1000UL); /* or it would sleep 50 microseconds too long */
    static struct direction there, back;
    open_way(&there, a, b, seed * 2);
    open_way(&back, b, a, seed * 2 + 1);
    run(&there, &back);
    return 0;
}
