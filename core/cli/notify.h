/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the service manager how far we are, by the protocol of sd_notify(3). */
#ifndef CORE_CLI_NOTIFY_H
#define CORE_CLI_NOTIFY_H

/* "READY=1", "STOPPING=1"...  Does nothing where nobody asked to be told. */
void notify_manager(const char *state);

#endif
