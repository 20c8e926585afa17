/*
 * model/wipe - no secret outlives its use in freed memory
 */
#ifndef HC_MODEL_WIPE_H
#define HC_MODEL_WIPE_H

/*
 * From now on whatever OpenSSL frees is wiped first, in the core and in plugins alike. Its decoders
 * free copies of private keys as they are (seen in 3.0 and 3.5), which a core dump or a page in
 * swap would then show. Must come before anything uses OpenSSL: 0, or -EBUSY where it is too late.
 */
int wipe_openssl_frees(void);

#endif
