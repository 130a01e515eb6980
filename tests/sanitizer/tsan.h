/* SPDX-License-Identifier: Apache-2.0 */
/* Included before everything when SAN=thread: gcc 12's ThreadSanitizer does not
 * know the locks that wait by a given clock, sees no lock taken and reports
 * races.  Here they become the ones it knows, which wait by the wall clock. */
#ifndef STK_TSAN_H
#define STK_TSAN_H

#include <pthread.h>
#include <time.h>

static inline struct timespec stk_tsan_wall(clockid_t clock, const struct timespec *until)
{
    struct timespec now, wall;
    clock_gettime(clock, &now);
    clock_gettime(CLOCK_REALTIME, &wall);
    wall.tv_sec += until->tv_sec - now.tv_sec;
    wall.tv_nsec += until->tv_nsec - now.tv_nsec;
    if (wall.tv_nsec < 0) {
        wall.tv_sec--;
        wall.tv_nsec += 1000000000;
    } else if (wall.tv_nsec >= 1000000000) {
        wall.tv_sec++;
        wall.tv_nsec -= 1000000000;
    }
    return wall;
}

static inline int stk_tsan_mutex(pthread_mutex_t *m, clockid_t clock, const struct timespec *until)
{
    struct timespec wall = stk_tsan_wall(clock, until);
    return pthread_mutex_timedlock(m, &wall);
}

static inline int stk_tsan_read(pthread_rwlock_t *l, clockid_t clock, const struct timespec *until)
{
    struct timespec wall = stk_tsan_wall(clock, until);
    return pthread_rwlock_timedrdlock(l, &wall);
}

static inline int stk_tsan_write(pthread_rwlock_t *l, clockid_t clock, const struct timespec *until)
{
    struct timespec wall = stk_tsan_wall(clock, until);
    return pthread_rwlock_timedwrlock(l, &wall);
}

#define pthread_mutex_clocklock(m, clock, until) stk_tsan_mutex(m, clock, until)
#define pthread_rwlock_clockrdlock(l, clock, until) stk_tsan_read(l, clock, until)
#define pthread_rwlock_clockwrlock(l, clock, until) stk_tsan_write(l, clock, until)

#endif
