#define _DEFAULT_SOURCE /* the rates above 38400 are not POSIX's */

#include "link_push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "panel.h"
#include "s2i_link/host.h"

#define TICK_MS 2
#define PENDING_ROOM 16384 /* bytes that wait for the terminal */
#define MOST_DIFFERS 3 /* times that a picture is sent again because the panel's memory is another */

struct push {
    int terminal;
    s2i_host host;
    uint8_t receive[S2I_RECEIVE_BYTES(S2I_MAX_PAYLOAD)];
    uint8_t send[S2I_SEND_BYTES(S2I_MAX_PAYLOAD)];
    uint8_t pending[PENDING_ROOM];
    size_t pending_used;
    const uint8_t *pixels;
    size_t size;
    uint8_t *rendered; /* as the panel takes it; what the library sends from */
    struct link_report *report;
    bool show;   /* a session has begun: the picture is to be shown */
    bool showing;
    bool ended;
    bool refused; /* the line or the board cannot do it */
    uint8_t state; /* that the picture ended in */
    unsigned differs;
    struct failure *failure;
};

static bool speed_of(unsigned baud, speed_t *speed)
{
    static const struct {
        unsigned baud;
        speed_t speed;
    } speeds[] = {
        {9600, B9600},     {19200, B19200},     {38400, B38400},     {57600, B57600},   {115200, B115200},
        {230400, B230400}, {460800, B460800},   {921600, B921600},   {1000000, B1000000}, {1500000, B1500000},
        {2000000, B2000000}, {3000000, B3000000},
    };
    size_t i;

    for (i = 0; i < sizeof speeds / sizeof speeds[0]; i++)
        if (speeds[i].baud == baud) {
            *speed = speeds[i].speed;
            return true;
        }
    return false;
}

/* Bytes as they are, none of them a sign to the terminal's driver. */
static bool make_raw(int terminal, const char *name, unsigned baud, struct failure *failure)
{
    struct termios settings;
    speed_t speed;

    if (!speed_of(baud, &speed))
        return fail(failure, "--baud %u is no rate of a terminal; give 115200, 921600, 3000000 or another of theirs", baud);
    if (tcgetattr(terminal, &settings) != 0)
        return fail(failure, "%s is no terminal; --link needs one, where a board can answer", name);
    settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXOFF);
    settings.c_oflag &= ~(tcflag_t)OPOST;
    settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings.c_cflag &= ~(tcflag_t)(CSIZE | PARENB | CSTOPB);
    settings.c_cflag |= CS8 | CREAD | CLOCAL;
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    if (cfsetispeed(&settings, speed) != 0 || cfsetospeed(&settings, speed) != 0
        || tcsetattr(terminal, TCSANOW, &settings) != 0)
        return fail(failure, "%s cannot be set to %u baud: %s", name, baud, strerror(errno));
    return true;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    return clock_gettime(CLOCK_MONOTONIC, &now) == 0 ? (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u : 0;
}

static bool take_frame(void *user, const uint8_t *bytes, size_t length)
{
    struct push *push = user;

    if (length > sizeof push->pending - push->pending_used)
        return false;
    memcpy(push->pending + push->pending_used, bytes, length);
    push->pending_used += length;
    return true;
}

/* A board's name must neither steer a terminal nor break a line. */
static void copy_name(char *out, const s2i_hello *hello)
{
    size_t i;

    for (i = 0; i < hello->name_length; i++)
        out[i] = hello->name[i] < 0x20 || hello->name[i] == 0x7f ? '?' : (char)hello->name[i];
    out[hello->name_length] = '\0';
}

/* Only notes what happened: the library does not want to be called from here. */
static void session(void *user, const s2i_hello *hello, const uint8_t *text, size_t length)
{
    struct push *push = user;

    push->showing = false;
    push->show = hello != NULL;
    if (hello == NULL)
        fail(push->failure, "no session with the board: %.*s", (int)length, (const char *)text);
}

static void picture_end(void *user, uint16_t picture, uint8_t state)
{
    struct push *push = user;

    (void)picture;
    push->state = state;
    if (state == S2I_PICTURE_STATE_DIFFERS && push->differs < MOST_DIFFERS) {
        push->differs++;
        push->show = true;
    } else if (state != S2I_PICTURE_STATE_UNKNOWN) { /* that is a session that ended, and may begin again */
        push->ended = true;
    }
}

static const char *what_of(uint8_t state)
{
    switch (state) {
    case S2I_PICTURE_STATE_CANCELLED: return "gave the picture up";
    case S2I_PICTURE_STATE_DIFFERS: return "has another picture in its panel's memory, however often it is sent";
    case S2I_PICTURE_STATE_REFUSED: return "refused a picture of its panel's own size";
    default: return "says of the picture what this program does not know";
    }
}

static bool show(struct push *push)
{
    const s2i_hello *hello = &push->host.hello;
    size_t bytes = (size_t)2 * hello->panel_width * hello->panel_height;

    copy_name(push->report->board, hello);
    if (hello->picture_formats == S2I_PICTURE_FORMAT_JPEG)
        return fail(push->failure, "the board '%s' takes JPEG files alone; `edge-s2i bridge` sends them",
                    push->report->board);
    if ((hello->picture_formats & S2I_PICTURE_FORMAT_TILES) == 0 || bytes == 0)
        return fail(push->failure, "the board '%s' has no panel that takes tiles", push->report->board);
    free(push->rendered);
    push->rendered = take(bytes, 1, push->failure);
    if (push->rendered == NULL)
        return false;
    panel_render(push->pixels, push->size, hello->panel_width, hello->panel_height,
                 hello->pixel_order == S2I_PIXEL_ORDER_BIG, push->rendered);
    push->report->width = hello->panel_width;
    push->report->height = hello->panel_height;
    push->show = false;
    push->showing = true;
    return s2i_host_show(&push->host, push->rendered, NULL, 0, S2I_PICTURE_FLAG_FINAL)
           || fail(push->failure, "a panel of %u x %u in tiles of %u is more than this program's link takes",
                   (unsigned)hello->panel_width, (unsigned)hello->panel_height, (unsigned)hello->tile_side);
}

/* Moves what is there in both directions, waiting a tick for it. */
static bool exchange(struct push *push, const char *name)
{
    struct pollfd poll_for = {push->terminal, (short)(POLLIN | (push->pending_used > 0 ? POLLOUT : 0)), 0};
    uint8_t bytes[512];
    ssize_t count;

    (void)poll(&poll_for, 1, TICK_MS);
    if ((poll_for.revents & POLLOUT) != 0) {
        count = write(push->terminal, push->pending, push->pending_used);
        if (count > 0) {
            push->pending_used -= (size_t)count;
            memmove(push->pending, push->pending + count, push->pending_used);
        } else if (errno != EAGAIN && errno != EINTR) {
            return fail(push->failure, "%s cannot be written to: %s", name, strerror(errno));
        }
    }
    if ((poll_for.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        count = read(push->terminal, bytes, sizeof bytes);
        if (count > 0)
            s2i_host_receive(&push->host, bytes, (size_t)count, (uint32_t)now_ms());
        else if (count == 0 || (errno != EAGAIN && errno != EINTR))
            return fail(push->failure, "%s is gone", name);
    }
    s2i_host_poll(&push->host, (uint32_t)now_ms());
    return true;
}

static bool run(struct push *push, const char *name, double wait)
{
    const s2i_host_settings settings = {
        (uint32_t)(now_ms() * 2654435761u) ^ (uint32_t)getpid(), S2I_AUDIO_FORMAT_S16LE, 320,
        push->receive, sizeof push->receive, push->send, sizeof push->send,
    };
    s2i_host_calls calls;
    uint64_t start = now_ms();

    memset(&calls, 0, sizeof calls);
    calls.user = push;
    calls.send = take_frame;
    calls.session = session;
    calls.picture_end = picture_end;
    fail(push->failure, "no board answers on %s within %.0f s", name, wait);
    if (!s2i_host_init(&push->host, &settings, &calls, (uint32_t)start))
        return fail(push->failure, "the link's settings do not fit");
    while (!push->ended) {
        if ((double)(now_ms() - start) > wait * 1000.0)
            return push->showing ? fail(push->failure, "the board '%s' has not shown the picture within %.0f s",
                                        push->report->board, wait)
                                 : false;
        if (!exchange(push, name) || (push->show && !show(push)))
            return false;
    }
    while (push->pending_used > 0 && (double)(now_ms() - start) <= wait * 1000.0) /* what it still waits for */
        if (!exchange(push, name))
            return false;
    push->report->milliseconds = (double)(now_ms() - start);
    return push->state == S2I_PICTURE_STATE_WHOLE
           || fail(push->failure, "the board '%s' %s", push->report->board, what_of(push->state));
}

bool link_push(const char *terminal, unsigned baud, double wait, const uint8_t *pixels, size_t size,
               struct link_report *report, struct failure *failure)
{
    struct push *push = take(1, sizeof *push, failure);
    bool pushed = false;

    memset(report, 0, sizeof *report);
    if (push == NULL)
        return false;
    push->pixels = pixels;
    push->size = size;
    push->report = report;
    push->failure = failure;
    push->terminal = open(terminal, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (push->terminal < 0)
        fail(failure, "%s cannot be opened: %s", terminal, strerror(errno));
    else if (make_raw(push->terminal, terminal, baud, failure))
        pushed = run(push, terminal, wait);
    if (push->terminal >= 0)
        (void)close(push->terminal);
    free(push->rendered);
    free(push);
    return pushed;
}
