/* SPDX-License-Identifier: Apache-2.0 */
/* The stock of RSA keys; see key_pool.h. */
#include "crypto/key_pool.h"

#include "base/mem.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FIRST_TARGET = 4, MOST = 32, LOW_PRIORITY = 19 };

struct key_pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct rsa_key *keys[MOST]; /* newest last */
    unsigned n, target;
    atomic_bool stop;
    pthread_t thread;
};

static void *run(void *arg)
{
    struct key_pool *pool = arg;
    /* The thread's own priority on Linux; without it the stock still fills. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY);
    pthread_mutex_lock(&pool->lock);
    while (!atomic_load(&pool->stop)) {
        if (pool->n >= pool->target) {
            pthread_cond_wait(&pool->wanted, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        struct rsa_key *key = rsa_generate(&pool->stop);
        pthread_mutex_lock(&pool->lock);
        if (key)
            pool->keys[pool->n++] = key;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct key_pool *key_pool_new(void)
{
    struct key_pool *pool = mem_zalloc(sizeof(*pool));
    pool->target = FIRST_TARGET;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    if (pthread_create(&pool->thread, NULL, run, pool) != 0)
        atomic_store(&pool->stop, true); /* keys are then made on the spot */
    return pool;
}

void key_pool_free(struct key_pool *pool)
{
    if (!pool)
        return;
    if (!atomic_load(&pool->stop)) {
        pthread_mutex_lock(&pool->lock);
        atomic_store(&pool->stop, true);
        pthread_cond_signal(&pool->wanted);
        pthread_mutex_unlock(&pool->lock);
        pthread_join(pool->thread, NULL);
    }
    while (pool->n)
        rsa_unref(pool->keys[--pool->n]);
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
}

bool key_pool_try(struct key_pool *pool, struct rsa_key **keys, unsigned n)
{
    pthread_mutex_lock(&pool->lock);
    bool enough = pool->n >= n;
    for (unsigned i = 0; enough && i < n; i++)
        keys[i] = pool->keys[--pool->n];
    if (!enough && pool->target < MOST)
        pool->target *= 2;
    pthread_cond_signal(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
    return enough;
}

struct rsa_key *key_pool_take(struct key_pool *pool)
{
    struct rsa_key *key;
    return key_pool_try(pool, &key, 1) ? key : rsa_generate(NULL);
}
