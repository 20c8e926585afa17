exec_COMMON = tail.c words.c
exec_LIBS   = -lcrypto
