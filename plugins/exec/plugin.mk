exec_COMMON = tail.c
exec_LIBS   = -lcrypto
