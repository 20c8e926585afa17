trust_COMMON =
trust_LIBS   = -lcrypto
