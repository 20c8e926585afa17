trust_COMMON = file.c pem.c tail.c
trust_LIBS   = -lcrypto
