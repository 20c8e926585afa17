redis_COMMON =
redis_LIBS   = -lhiredis -lssl -lcrypto -lpthread
