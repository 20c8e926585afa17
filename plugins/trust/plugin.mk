trust_COMMON = tail.c
trust_LIBS   = -lcrypto
