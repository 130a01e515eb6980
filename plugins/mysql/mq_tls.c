/* SPDX-License-Identifier: Apache-2.0 */
/* TLS.  A server, or who sits before it, that does not offer TLS where it is required
 * must not see the login.
 *
 * MariaDB's library knows no "required, whatever the certificate": it logs in without
 * TLS when none is offered, unless a fingerprint is to be compared.  So it is given one
 * that no certificate has, which a login method of ours takes back when the server has
 * offered TLS.  That method is asked before anything is sent, and says nothing itself:
 * the server then names the method it wants, over TLS. */
#include "mq.h"

#include <stdarg.h>

static void set_flag(MYSQL *my, int option, bool on)
{
    mq_bool value = on;
    mysql_options(my, (enum mysql_option)option, &value);
}

#ifdef MARIADB_PACKAGE_VERSION_ID

#include <mysql/plugin_auth.h>

#define GUARD "supertokens_tls"
#define NO_CERTIFICATE "0000000000000000000000000000000000000000"

static int guard(MYSQL_PLUGIN_VIO *vio, struct st_mysql *my)
{
    if (my->server_capabilities & CLIENT_SSL)
        mysql_optionsv(my, MARIADB_OPT_TLS_PEER_FP, NULL);
    return vio->write_packet(vio, (const unsigned char *)"", 0) ? CR_ERROR : CR_OK;
}

/* As in <mysql/client_plugin.h>, which includes a header that is not installed. */
static struct {
    int type;
    unsigned interface_version;
    const char *name, *author, *desc;
    unsigned version[3];
    const char *license;
    void *mysql_api;
    int (*init)(char *, size_t, int, va_list);
    int (*deinit)(void);
    int (*options)(const char *, const void *);
    int (*authenticate_user)(MYSQL_PLUGIN_VIO *vio, struct st_mysql *my);
} guard_plugin = {.type = 2,
                  .interface_version = 0x0100,
                  .name = GUARD,
                  .author = "SuperTokens",
                  .desc = "Waits for TLS",
                  .version = {1, 0, 0},
                  .license = "Apache-2.0",
                  .authenticate_user = guard};

bool mq_tls_load(void)
{
    MYSQL *my = mysql_init(NULL);
    bool ok =
        my && mysql_client_register_plugin(my, (struct st_mysql_client_plugin *)&guard_plugin);
    if (my)
        mysql_close(my);
    return ok;
}

static void set_mode(MYSQL *my, const struct mq_conf *conf, bool plain)
{
    /* This library verifies the chain and the name together or nothing, so that
     * VERIFY_CA is as strict as VERIFY_IDENTITY. */
    set_flag(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, conf->tls >= MQ_TLS_VERIFY_CA);
    set_flag(my, MYSQL_OPT_SSL_ENFORCE, !plain);
    if (conf->tls != MQ_TLS_REQUIRED)
        return;
    mysql_optionsv(my, MARIADB_OPT_TLS_PEER_FP, NO_CERTIFICATE);
    mysql_options(my, MYSQL_DEFAULT_AUTH, GUARD);
}

#else

bool mq_tls_load(void)
{
    return true;
}

static void set_mode(MYSQL *my, const struct mq_conf *conf, bool plain)
{
    static const unsigned modes[] = {[MQ_TLS_PREFERRED] = SSL_MODE_PREFERRED,
                                     [MQ_TLS_DISABLED] = SSL_MODE_DISABLED,
                                     [MQ_TLS_REQUIRED] = SSL_MODE_REQUIRED,
                                     [MQ_TLS_VERIFY_CA] = SSL_MODE_VERIFY_CA,
                                     [MQ_TLS_VERIFY_IDENTITY] = SSL_MODE_VERIFY_IDENTITY};
    unsigned mode = plain ? SSL_MODE_DISABLED : modes[conf->tls];
    mysql_options(my, MYSQL_OPT_SSL_MODE, &mode);
    set_flag(my, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, true); /* for caching_sha2_password */
}

#endif

void mq_tls_set_up(MYSQL *my, const struct mq_conf *conf, bool plain)
{
    if (conf->ca)
        mysql_options(my, MYSQL_OPT_SSL_CA, conf->ca);
    if (conf->cert)
        mysql_options(my, MYSQL_OPT_SSL_CERT, conf->cert);
    if (conf->key)
        mysql_options(my, MYSQL_OPT_SSL_KEY, conf->key);
    if (conf->ciphers)
        mysql_options(my, MYSQL_OPT_SSL_CIPHER, conf->ciphers);
    if (conf->tls_versions)
        mysql_options(my, MYSQL_OPT_TLS_VERSION, conf->tls_versions);
    set_mode(my, conf, plain);
}
